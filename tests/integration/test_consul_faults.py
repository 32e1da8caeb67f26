"""What hands, health checks, limits, restarts and lies do to a Consul driver, on real servers."""

import asyncio
import base64
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
from aiohttp import web

from incumbent_backends import consul_watch
from incumbent_backends.api import Claim, Unavailable
from incumbent_backends.conformance import FakeClock
from incumbent_backends.consul import Consul as Driver
from tests.fronts import front
from tests.integration.consul_store import (
    at,
    build,
    claim_nothing,
    eventually,
    key,
    pair,
    record,
    until,
)
from tests.integration.verbs import SECOND, lead, move, watching
from tests.proxies import proxied
from tests.servers import Consul, consul, shared_consul

STORE = "consul"


@pytest.fixture(scope="module")
def server() -> Consul:
    return shared_consul()


@pytest.fixture
async def backend(server: Consul, namespace: str) -> AsyncIterator[Driver]:
    async with build(server.url(), namespace) as opened:
        yield opened


async def test_a_session_destroyed_by_hand_is_told_within_a_second(
    server: Consul, backend: Driver
) -> None:
    term = await lead(backend)
    async with watching(backend) as watch:
        server.call("PUT", f"/v1/session/destroy/{backend.session}")
        await watch.until("e", None, seconds=1.0)
    assert (await backend.renew([Claim("e", term.token)])).survivors == frozenset()
    assert (await lead(backend)).token > term.token


@pytest.mark.parametrize("how", ["deleted", "overwritten", "put as it was"])
async def test_a_key_changed_by_hand_is_told_within_a_second(
    server: Consul, namespace: str, backend: Driver, how: str
) -> None:
    term = await lead(backend)
    content = {"overwritten": b"by hand", "put as it was": record_bytes(server, namespace)}
    async with build(server.url(), namespace) as other, watching(other) as watch:
        if how == "deleted":
            server.call("DELETE", key(namespace))
        else:
            server.call("PUT", key(namespace), content[how])
            assert pair(server, namespace)["Session"] == backend.session, "it is still locked"
        await watch.until("e", None, seconds=1.0)
        assert (await backend.renew([Claim("e", term.token)])).survivors == frozenset()
        again = await lead(other)
        assert again.token > term.token
        assert (await backend.read("e")).term == again


def record_bytes(server: Consul, namespace: str) -> bytes:

    return base64.b64decode(pair(server, namespace)["Value"])


async def test_the_lock_delay_is_none(server: Consul, namespace: str, backend: Driver) -> None:
    """consul#4508. A session as Consul makes it by itself keeps others off for 15 s."""
    usual = server.call("PUT", "/v1/session/create", {})["ID"]
    assert server.call("PUT", f"/v1/kv/usual/{namespace}?acquire={usual}", b"x") is True
    server.call("PUT", f"/v1/session/destroy/{usual}")
    info = server.call("GET", f"/v1/session/info/{backend.session}")[0]
    assert (info["LockDelay"], info["Behavior"]) == (0, "release")
    assert not info["NodeChecks"]
    attempt = f"/v1/kv/usual/{namespace}?acquire={backend.session}"
    assert server.call("PUT", attempt, b"x") is False, "the control"
    async with build(server.url(), namespace) as other:
        term = await lead(backend)
        server.call("PUT", f"/v1/session/destroy/{backend.session}")
        began = time.monotonic()
        assert (await lead(other)).token > term.token
        assert time.monotonic() - began < 0.5


async def test_a_node_that_seems_dead_costs_no_term(namespace: str) -> None:
    """The usual session ends with serfHealth; ours has no check."""
    with consul() as own:
        async with build(own.url(), namespace) as backend:
            term = await lead(backend)
            usual = own.call("PUT", "/v1/session/create", {})["ID"]
            node = own.call("GET", "/v1/agent/self")["Config"]["NodeName"]
            check = {"Node": node, "CheckID": "serfHealth", "Name": "x", "Status": "critical"}
            dead = {"Node": node, "Address": "127.0.0.1", "SkipNodeUpdate": True, "Check": check}
            own.call("PUT", "/v1/catalog/register", dead)
            await until(lambda: not own.call("GET", f"/v1/session/info/{usual}"))
            assert (await backend.renew([Claim("e", term.token)])).survivors
            assert (await backend.read("e")).term == term


async def test_a_silent_session_lives_for_two_ttls(server: Consul, namespace: str) -> None:
    """As Limits says: never less than the ttl, and at most twice that, and a little."""
    silent = build(server.url(), namespace, backend_ttl=SECOND)
    async with build(server.url(), namespace) as other, watching(other) as watch:
        began = time.monotonic()
        await silent.__aenter__()
        term = await lead(silent)
        await silent._watch.close()
        opened = time.monotonic()
        await watch.until("e", term.token)
        await watch.until("e", None)
        took = time.monotonic()
        limits = silent.limits
        most = limits.expiry_factor + limits.expiry_slack.total_seconds()
        assert took - began >= 2 * 0.98
        assert took - opened <= most + 2.0
        await silent.__aexit__(None, None, None)


async def test_a_session_that_was_silent_for_its_ttl_is_given_up(
    server: Consul, namespace: str
) -> None:
    """Consul keeps it for as long again, and may condemn it; a renewal is answered all the same."""
    clock = FakeClock()
    async with build(server.url(), namespace, clock=clock) as backend:
        term, session = await lead(backend), backend.session
        clock.advance(14.9)
        assert (await backend.renew([Claim("e", term.token)])).survivors
        assert backend.session == session
        clock.advance(15)
        async with build(server.url(), namespace) as other:
            theirs = await lead(other, "theirs")
            with pytest.raises(Unavailable, match="session in Consul has ended"):
                await move(backend, theirs)
            await other.release(theirs)
        assert not (await backend.renew([Claim("e", term.token)])).survivors
        assert backend.session != session
        assert server.call("GET", f"/v1/session/info/{session}"), "it ends by itself"
        server.call("PUT", f"/v1/session/destroy/{session}")
        assert (await lead(backend)).token > term.token


async def test_a_renewal_that_is_answered_too_late_is_none(server: Consul, namespace: str) -> None:
    """Consul may have condemned the session before it came."""
    clock = FakeClock()
    async with (
        front(server.address) as before,
        build(at(before.target), namespace, clock=clock) as backend,
    ):
        term, session = await lead(backend), backend.session

        def late(request: web.Request) -> None:
            if "session/renew" in request.path:
                clock.advance(15)

        before.answers = late
        assert not (await backend.renew([Claim("e", term.token)])).survivors
        assert backend.session != session
        assert (await backend.read("e")).term == term, "it ends by itself: a move may rely on it"
        server.call("PUT", f"/v1/session/destroy/{session}")
        assert (await lead(backend)).token > term.token


async def test_an_acquire_cut_off_in_flight_leaves_nothing(server: Consul, namespace: str) -> None:
    async with proxied(server.address) as proxy, build(at(proxy.target), namespace) as backend:
        proxy.answers.hold()
        bid = asyncio.create_task(lead(backend))
        await asyncio.sleep(0.05)  # it reads
        proxy.answers.release()
        proxy.answers.hold()
        await until(lambda: bool(server.keys(f"incumbent/{namespace}/term/")))
        bid.cancel()
        await asyncio.wait([bid])
        proxy.answers.release()
        await claim_nothing(backend)
        assert not server.keys(f"incumbent/{namespace}/term/")


async def test_a_move_never_shortens(server: Consul, namespace: str) -> None:
    """A term of a longer ttl takes a longer session along, which lives as long as the main one."""
    async with (
        build(server.url(), namespace, backend_ttl=40 * SECOND) as long,
        build(server.url(), namespace) as short,
    ):
        term = await lead(long)
        moved = (await move(short, term)).term
        assert moved is not None
        assert (moved.session, moved.backend_ttl) == (short.session, 40 * SECOND)
        lock = pair(server, namespace)["Session"]
        assert lock not in (short.session, long.session)
        assert server.call("GET", f"/v1/session/info/{lock}")[0]["TTL"] == "40000ms"
        second = await lead(long, "second")
        assert (await move(short, second)).term is not None
        assert pair(server, namespace, "second")["Session"] == lock, "one is enough"
        claims = [Claim("e", term.token), Claim("second", second.token)]
        assert (await short.renew(claims)).survivors == set(claims)
        server.call("PUT", f"/v1/session/destroy/{lock}")
        assert (await short.renew(claims)).survivors == frozenset()
        assert lock not in short._session.leases.ids
        third = await lead(long, "third")
        await move(short, third)
        await claim_nothing(short)
        assert (await long.read("third")).term is None
    assert not server.sessions(f"incumbent/{namespace}")


async def test_the_longer_session_outlives_a_main_one_that_died(
    server: Consul, namespace: str
) -> None:
    """What another gateway has promised is not shortened by the end of this one's session."""
    async with (
        build(server.url(), namespace, backend_ttl=40 * SECOND) as long,
        build(server.url(), namespace) as short,
    ):
        term = await lead(long)
        await move(short, term)
        lock, session = pair(server, namespace)["Session"], short.session
        server.call("PUT", f"/v1/session/destroy/{session}")
        assert (await short.renew([Claim("e", term.token)])).survivors == frozenset()
        assert short.session != session
        assert server.call("GET", f"/v1/session/info/{lock}")
        assert (await long.read("e")).term is not None
        server.call("PUT", f"/v1/session/destroy/{lock}")


async def test_renewing_many_terms_costs_no_more_calls(server: Consul, namespace: str) -> None:
    async with front(server.address) as before, build(at(before.target), namespace) as backend:
        terms = [await lead(backend, f"e/{n}") for n in range(150)]
        async with watching(backend) as watch:
            assert len(watch.first) == 150  # it has seen them all
            before.seen.clear()
            keep = {Claim(term.election, term.token) for term in terms}
            assert (await backend.renew(keep)).survivors == keep
            renewal = [call for call in before.seen if "session/renew" in call]
            assert len(renewal) == 1
            assert len(before.seen) <= 4, before.seen  # a look of the watch may be among them
            assert (await backend.renew([])).survivors == frozenset()
            assert len(before.seen) <= 14, before.seen


async def test_a_query_that_stays_silent_blinds_nobody(server: Consul, namespace: str) -> None:
    """consul#18271, #9788: a holder was blind for minutes. A look each second is behind it."""
    async with (
        front(server.address) as before,
        build(at(before.target), namespace) as blind,
        build(server.url(), namespace) as other,
    ):
        before.blind = True
        async with watching(blind) as watch:
            term = await lead(other)
            await watch.until("e", term.token, seconds=consul_watch.POLL + 1.5)
            await other.release(term)
            await watch.until("e", None, seconds=consul_watch.POLL + 1.5)


async def test_an_index_that_goes_back_tells_no_step_back(server: Consul, namespace: str) -> None:
    async with (
        front(server.address) as before,
        build(at(before.target), namespace) as backend,
        build(server.url(), namespace) as other,
        watching(backend) as watch,
    ):
        first = await lead(other)
        await watch.until("e", first.token)
        before.shift = -1_000_000
        told = []
        for _ in range(3):
            await other.release(first)
            first = await lead(other)
            told.append((await watch.until("e", first.token)).term)
        before.shift = 0
        await other.release(first)
        await watch.until("e", None)
        tokens = [term.token for term in told if term is not None]
        assert tokens == sorted(set(tokens))
        assert len(tokens) == 3


async def test_busy_is_asked_again_within_the_call(server: Consul, namespace: str) -> None:
    async with front(server.address) as before, build(at(before.target), namespace) as backend:
        term = await lead(backend)
        left = 3

        def busy(request: web.Request) -> web.Response | None:
            nonlocal left
            if "session/renew" not in request.path or not left:
                return None
            left -= 1
            return web.Response(status=429)

        before.answers = busy
        assert (await backend.renew([Claim("e", term.token)])).survivors
        assert left == 0


async def test_too_many_connections(namespace: str) -> None:
    """A crowd from the same address: bids are told, renewals have their connection already."""
    with (
        consul(settings={"limits": {"http_max_conns_per_client": 12}}) as own,
        ExitStack() as crowd,
    ):
        async with build(own.url(), namespace) as backend:
            term = await lead(backend)
            room = True
            for _ in range(12):
                place = crowd.enter_context(socket.create_connection(("127.0.0.1", own.port), 5))
                place.sendall(b"GET /v1/status/leader HTTP/1.1\r\nHost: x\r\n\r\n")
                room = b" 429 " not in place.recv(100)
            assert not room
            bids = [asyncio.create_task(lead(backend, f"e/{n}")) for n in range(12)]
            for _ in range(3):
                began = time.monotonic()
                keep = [Claim("e", term.token), *(Claim(f"e/{n}", None) for n in range(12))]
                assert Claim("e", term.token) in (await backend.renew(keep)).survivors
                assert time.monotonic() - began < 1.0
            crowd.close()
            await asyncio.gather(*bids)


async def test_another_consul_at_the_address_grants_nothing(server: Consul, namespace: str) -> None:
    with consul() as stranger:
        async with proxied(server.address) as proxy, build(at(proxy.target), namespace) as backend:
            term = await lead(backend)
            proxy.port = stranger.port
            proxy.reset()
            for verb in (
                lambda: backend.renew([Claim("e", term.token)]),
                lambda: backend.read("e"),
                lambda: lead(backend, "x"),
                lambda: backend.release(term),
            ):
                with pytest.raises(Unavailable, match="another Consul"):
                    await eventually_raises(verb)
            proxy.port = server.port
            proxy.reset()
            keep = [Claim("e", term.token)]
            assert (await eventually(lambda: backend.renew(keep))).survivors == set(keep)


async def eventually_raises(verb: object) -> None:
    """Once more where a connection broke just now."""
    for _ in range(2):
        try:
            await verb()  # type: ignore[operator]
        except Unavailable as error:
            if "connection" in str(error):
                continue
            raise


async def test_vacant_keys_are_forgotten(
    server: Consul, namespace: str, backend: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with build(server.url(), namespace) as dead:
        await lead(dead)
        await lead(backend, "kept")
        server.call("PUT", f"/v1/session/destroy/{dead.session}")
        assert "Session" not in pair(server, namespace)
        monkeypatch.setattr(consul_watch, "SWEEP", 0.0)
        backend._watch._sweep_at = 0.0
        await until(lambda: len(server.keys(f"incumbent/{namespace}/term/")) == 1, seconds=6)
        assert record(pair(server, namespace, "kept"))["session"] == backend.session


@pytest.fixture
def durable() -> Iterator[Consul]:
    with consul(data=True) as own:
        yield own


async def test_a_restart_keeps_the_terms(durable: Consul, namespace: str) -> None:
    async with build(durable.url(), namespace) as backend:
        term = await lead(backend)
        durable.kill()
        with pytest.raises(Unavailable):
            await backend.read("e")
        durable.start()
        keep = [Claim("e", term.token)]
        assert (await eventually(lambda: backend.renew(keep))).survivors == set(keep)
        assert (await backend.read("e")).term == term
        assert (await lead(backend, "next")).token > term.token


async def test_changes_leave_no_query_behind(server: Consul, namespace: str) -> None:
    """Consul counts a query that was given up as a connection, until its time is up."""
    async with front(server.address) as before, build(at(before.target), namespace) as backend:
        before.delay = 0.05  # looks are faster
        async with watching(backend) as watch:
            for n in range(20):
                term = await lead(backend, f"e/{n}")
                await watch.until(f"e/{n}", term.token)
                await backend.release(term)
        assert before.given_up == 0
