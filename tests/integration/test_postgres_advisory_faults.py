"""Advisory locks on a PostgreSQL that breaks: the session's connection, its server, its silence."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from incumbent_backends.api import Claim, Rejected, Snapshot, Unavailable
from incumbent_backends.postgres_advisory import PostgresAdvisory
from incumbent_server.clock import System
from tests.integration.advisory_store import build, held, terminate
from tests.integration.postgres_store import eventually, refused, sql
from tests.integration.verbs import SECOND, lead, watching
from tests.proxies import proxied
from tests.servers import Postgres, postgres, shared

STORE = "postgres"
SLACK = 2.0  # seconds more than the bound, for a busy machine


@pytest.fixture(scope="module")
def url() -> str:
    return shared(STORE).url()


@pytest.fixture
def own() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture
def namespace() -> str:
    return f"locks-{secrets.token_hex(6)}"


@pytest.fixture
async def backend(url: str, namespace: str) -> AsyncIterator[PostgresAdvisory]:
    async with build(url, namespace) as opened:
        yield opened


async def test_a_terminated_session_is_told_at_once_and_wins_nothing(
    url: str, namespace: str, backend: PostgresAdvisory
) -> None:
    """wolverine#2602: the session is killed, and its gateway believes on."""
    session = backend.session
    async with build(url, namespace) as other, watching(other) as watch, watching(backend) as own:
        term = await lead(backend)
        for each in (watch, own):
            await each.until("e", term.token)
        began = time.monotonic()
        terminate(url, session)
        await own.until("e", None, seconds=0.5)
        assert time.monotonic() - began < 0.5
        assert (await backend.read("e")).term is None
        with pytest.raises(Unavailable, match="session in PostgreSQL has ended"):
            await lead(backend)
        await watch.until("e", None, seconds=1 + SLACK)
        successor = await eventually(lambda: lead(other))
        assert successor.token > term.token
        await backend.release(term)  # late, and of no effect
        assert (await backend.renew([Claim("e", term.token)])).survivors == frozenset()
        assert backend.session != session
        assert (await other.read("e")).term == successor


BY_HAND = {
    "the record": "DELETE FROM incumbent_lock_term WHERE namespace = '{}'",
    "only the link": "UPDATE incumbent_lock_term SET session = NULL, version = version + 1"
    " WHERE namespace = '{}'",
}


@pytest.mark.parametrize("statement", BY_HAND.values(), ids=BY_HAND.keys())
async def test_a_hand_in_the_table_is_told_within_a_second_and_strands_no_lock(
    url: str, namespace: str, backend: PostgresAdvisory, statement: str
) -> None:
    async with build(url, namespace) as other, watching(other) as watch, watching(backend) as own:
        term = await lead(backend)
        for each in (watch, own):
            await each.until("e", term.token)
        sql(url, statement.format(namespace))
        for each in (watch, own):
            await each.until("e", None, seconds=1 + SLACK)
        assert (await eventually(lambda: lead(other))).token > term.token
        assert (await backend.renew([Claim("e", term.token)])).survivors == frozenset()


async def test_the_server_frees_the_locks_of_a_silent_gateway_on_time(
    url: str, namespace: str, backend: PostgresAdvisory
) -> None:
    """A frozen gateway: its connection stands, and nothing is said on it."""
    async with (
        build(url, namespace, backend_ttl=2 * SECOND) as silent,
        watching(backend) as watch,
    ):
        session = silent.session
        term = await lead(silent)
        for _ in range(5):  # over its ttl, but not silent
            await silent.renew([Claim(term.election, term.token)])
            await asyncio.sleep(0.6)
        assert (await backend.read(term.election)).term == term
        began = time.monotonic()
        await silent.renew([Claim(term.election, term.token)])
        renewed = time.monotonic()
        await watch.until(term.election, None, seconds=2 + 0.5 + SLACK)
        assert time.monotonic() - began >= 2
        assert time.monotonic() - renewed < 2 + 0.5 + SLACK
        assert (await lead(backend, term.election)).token > term.token
        await silent.renew([Claim(term.election, term.token)])
        assert silent.session != session


async def test_a_silent_network_frees_the_locks_on_time_too(
    url: str, namespace: str, backend: PostgresAdvisory
) -> None:
    address = shared(STORE).address
    async with (
        proxied(address) as proxy,
        build(url.replace(address, proxy.target), namespace, backend_ttl=2 * SECOND) as cut,
        watching(backend) as watch,
    ):
        term = await lead(cut)
        proxy.requests.hold()
        proxy.answers.hold()
        began = time.monotonic()
        renewal = asyncio.create_task(cut.renew([Claim("e", term.token)]))
        await watch.until("e", None, seconds=2 + 0.5 + SLACK)
        assert time.monotonic() - began < 2 + 0.5 + SLACK
        successor = await lead(backend)
        proxy.requests.release()  # the renewal comes late, and revives nothing
        proxy.answers.release()
        with contextlib.suppress(Unavailable):
            assert (await renewal).survivors == frozenset()
        assert (await backend.read("e")).term == successor
        proxy.reset()


async def test_a_connection_is_given_up_when_its_promise_has_run_out_and_not_before(
    url: str, namespace: str
) -> None:
    address = shared(STORE).address
    async with (
        proxied(address) as proxy,
        build(
            url.replace(address, proxy.target), namespace, backend_ttl=3 * SECOND, clock=System()
        ) as backend,
    ):
        session, term = backend.session, await lead(backend)
        keep = [Claim("e", term.token)]
        promised = (await backend.renew(keep)).good_until
        proxy.answers.hold()
        late = asyncio.create_task(backend.renew(keep))
        await asyncio.sleep(1.5)
        proxy.answers.release()
        renewal = await late
        assert renewal.survivors == frozenset(keep)
        assert promised < renewal.good_until
        assert backend.session == session
        proxy.mute = True
        with pytest.raises(Unavailable, match="did not answer in time"):
            await backend._lane.run(lambda db, _: db.execute(b"SELECT 1"))
        assert 0 <= System().now() - renewal.good_until < 0.5 + SLACK
        proxy.mute = False
        proxy.reset()
        assert (await eventually(lambda: backend.renew(keep))).survivors == frozenset()
        assert backend.session != session


async def test_a_restart_ends_terms_and_is_told_at_once(own: Postgres, namespace: str) -> None:
    async with build(own.url(), namespace) as backend, watching(backend) as watch:
        term = await lead(backend)
        await watch.until("e", term.token)
        await asyncio.to_thread(own.stop)
        with contextlib.suppress(Unavailable):  # or its own connection broke first
            await watch.until("e", None, seconds=1 + SLACK)
        with pytest.raises(Unavailable):
            await backend.renew([Claim("e", term.token)])
        await asyncio.to_thread(own.start)
        began = time.monotonic()
        assert (await eventually(lambda: backend.read("e"))).term is None
        renewal = await eventually(lambda: backend.renew([Claim("e", term.token)]))
        assert renewal.survivors == frozenset()
        async with watching(backend) as anew:
            assert anew.first == {}
        assert time.monotonic() - began < 1 + SLACK
        assert (await lead(backend)).token > term.token


async def test_a_server_without_a_connection_to_spare_costs_no_term(namespace: str) -> None:
    with postgres(max_connections=12, superuser_reserved_connections=0) as small:
        async with build(small.url(), namespace) as backend:
            term = await lead(backend)
            with contextlib.ExitStack() as stack:
                with contextlib.suppress(psycopg.OperationalError):
                    while True:
                        stack.enter_context(psycopg.connect(small.url()))
                with pytest.raises(Unavailable, match="no connection to spare"):
                    await build(small.url(), namespace).__aenter__()
                for n in range(3):
                    keep = [Claim("e", term.token), Claim(f"e/{n}", None)]
                    assert (await backend.renew(keep)).survivors >= {Claim("e", term.token)}
                    await backend.release(await lead(backend, f"e/{n}"))
            assert (await backend.read("e")).term == term


async def test_locks_end_below_what_the_server_has_room_for(namespace: str) -> None:
    with postgres(max_locks_per_transaction=10, max_connections=12) as small:
        async with build(small.url(), namespace) as backend, build(small.url(), namespace) as other:
            async with watching(other) as watch:
                terms = [await lead(backend, f"e/{n}") for n in range(60)]
                await watch.until(terms[-1].election, terms[-1].token)
            for by in (backend, other):  # it counts for all gateways of the namespace
                with pytest.raises(Rejected, match="60 elections of this namespace are led"):
                    await lead(by, "one too many")
                assert held(small.url(), namespace, "one too many") == []
            await backend.release(terms[0])
            await lead(backend, "room again")
            psycopg.connect(small.url()).close()  # the server has locks for others


async def test_vacant_elections_are_forgotten_but_not_their_tokens(
    url: str, namespace: str, backend: PostgresAdvisory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("incumbent_backends.postgres_watch.SWEEP", 0.2)
    term = await lead(backend)
    kept = await lead(backend, "kept")
    await backend.release(term)
    async with asyncio.timeout(15):
        while sql(
            url,
            "SELECT 1 FROM incumbent_lock_term WHERE namespace = %s AND election = 'e'",
            namespace,
        ):
            await asyncio.sleep(0.05)
    assert (await backend.read("kept")).term == kept
    assert (await lead(backend)).token > kept.token


async def test_a_changed_setting_is_no_end_of_the_session(own: Postgres, namespace: str) -> None:
    """The server tells of some without being asked."""
    async with build(own.url(), namespace) as backend:
        session, term = backend.session, await lead(backend)
        sql(own.url(), "ALTER SYSTEM SET IntervalStyle = 'iso_8601'")
        sql(own.url(), "SELECT pg_reload_conf()")
        async with asyncio.timeout(5):
            while sql(own.url(), "SHOW IntervalStyle") != [("iso_8601",)]:
                await asyncio.sleep(0.02)
        renewal = await backend.renew([Claim("e", term.token)])
        assert renewal.survivors == {Claim("e", term.token)}
        assert backend.session == session


async def test_a_term_that_was_never_told_is_told_as_gone_by_the_next_watch(
    url: str, namespace: str, backend: PostgresAdvisory
) -> None:
    """As when the server goes right after a win: no list shows that somebody led there."""
    await lead(backend)
    terminate(url, backend.session)
    await refused(lambda: lead(backend), Unavailable, "session in PostgreSQL has ended")
    async with watching(backend) as watch:
        assert watch.first == {}
        await watch.until("e", None, seconds=1 + SLACK)


async def test_a_loss_is_told_though_the_store_cannot_be_reached(url: str, namespace: str) -> None:
    """The watch's connection broke before the session's: nobody watched when that was noticed."""
    address = shared(STORE).address
    async with (
        proxied(address) as proxy,
        build(url.replace(address, proxy.target), namespace) as backend,
    ):
        await lead(backend)
        proxy.refuses = True
        proxy.reset()
        await refused(lambda: lead(backend), Unavailable, "session in PostgreSQL has ended")
        told = await asyncio.wait_for(anext(backend.watch()), 1 + SLACK)
        assert isinstance(told, Snapshot)
        assert (told.election, told.term) == ("e", None)
