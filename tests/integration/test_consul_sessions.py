"""The sessions behind one session: when they are gone on with, moved to, given up and ended."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from incumbent_backends.api import Claim, Rejected, Term, Unavailable
from incumbent_backends.conformance import FakeClock
from incumbent_backends.consul import Consul as Driver
from incumbent_backends.consul_http import Pool
from incumbent_backends.consul_space import Conflict, Operation
from tests.fronts import Front, front
from tests.integration.consul_store import at, build, pair
from tests.integration.verbs import SECOND, lead, move
from tests.servers import Consul, shared_consul

STORE = "consul"


@pytest.fixture(scope="module")
def server() -> Consul:
    return shared_consul()


@pytest.fixture
async def long(server: Consul, namespace: str) -> AsyncIterator[Driver]:
    """A gateway whose terms were promised for longer than those of the others here."""
    async with build(server.url(), namespace, backend_ttl=40 * SECOND) as backend:
        yield backend


@pytest.fixture
async def short(server: Consul, namespace: str) -> AsyncIterator[Driver]:
    async with build(server.url(), namespace) as backend:
        yield backend


def lives(server: Consul, session: str) -> bool:
    return bool(server.call("GET", f"/v1/session/info/{session}?consistent"))


def claim(term: Term) -> Claim:
    return Claim(term.election, term.token)


async def change(backend: Driver, term: Term) -> None:
    """Proclaim another value."""
    await backend.acquire(
        term.election, holder=term.holder, attempt=term.attempt, candidate="",
        value=secrets.token_bytes(4), resume=term.token,
    )  # fmt: skip


async def test_a_move_in_the_middle_of_a_renewal_keeps_its_lock(
    long: Driver, short: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The renewal has looked before the move landed: what it saw unused is used now."""
    first, second = await lead(long), await lead(long, "second")
    await move(short, first)
    await short.release((await short.read("e")).term or first)
    end = short._session._end

    async def meanwhile(unwanted: dict[Claim, object]) -> set[Claim]:
        await move(short, second)
        return await end(unwanted)  # type: ignore[arg-type]

    monkeypatch.setattr(short._session, "_end", meanwhile)
    await short.renew([Claim("second", None)])
    monkeypatch.undo()
    assert (await long.read("second")).term is not None
    assert (await short.renew([claim(second)])).survivors == {claim(second)}


async def lose_the_answer(backend: Driver, monkeypatch: pytest.MonkeyPatch) -> list[Operation]:
    """Let the next transaction of a backend come to nothing for now; return what it would do."""
    late: list[Operation] = []

    async def apply(*operations: Operation) -> int | Conflict:
        late.extend(operations)
        raise Unavailable("the answer is lost")

    monkeypatch.setattr(backend._session._space, "apply", apply)
    return late


@pytest.mark.parametrize("ttl", [15, 40])
async def test_a_move_that_lands_as_its_gateway_leaves_is_no_vacancy(
    server: Consul, namespace: str, monkeypatch: pytest.MonkeyPatch, ttl: int
) -> None:
    """Its client may trust the gateway it came from for a whole ttl more."""
    async with AsyncExitStack() as leaving:
        old = await leaving.enter_async_context(
            build(server.url(), namespace, backend_ttl=ttl * SECOND)
        )
        new = build(server.url(), namespace)
        await new.__aenter__()
        term = await lead(old)
        late = await lose_the_answer(new, monkeypatch)
        with pytest.raises(Unavailable, match="lost"):
            await move(new, term)
        monkeypatch.undo()
        close = new._session.leases.close

        async def lands_first(used: set[str]) -> None:
            assert isinstance(await old._session._space.apply(*late), int)
            await close(used)

        monkeypatch.setattr(new._session.leases, "close", lands_first)
        await new.__aexit__(None, None, None)
        found = (await old.read("e")).term
        assert found is not None
        assert found.token == term.token
        server.call("PUT", f"/v1/session/destroy/{pair(server, namespace)['Session']}")
        server.call("PUT", f"/v1/session/destroy/{new.session}")


async def test_a_gateway_that_leaves_ends_what_nothing_hangs_on(
    server: Consul, namespace: str, long: Driver
) -> None:
    async with build(server.url(), namespace) as short:
        term = await lead(long)
        moved = (await move(short, term)).term
        assert moved is not None
        await short.release(moved)
        assert len(server.sessions(f"incumbent/{namespace}")) == 3
    assert server.sessions(f"incumbent/{namespace}") == [long.session]


async def test_what_hangs_on_a_longer_session_that_was_given_up_is_lost(
    server: Consul, long: Driver, short: Driver
) -> None:
    """Consul keeps it for a while yet, but nobody renews it: it must not be trusted."""
    term = await lead(long)
    moved = (await move(short, term)).term
    assert moved is not None
    (lease,) = short._session.leases.longer.values()
    lease.renewed -= 40  # as if it had been silent for so long
    with pytest.raises(Unavailable, match="ended"):
        await change(short, moved)
    assert (await short.renew([claim(term)])).survivors == frozenset()
    with pytest.raises(Unavailable, match="ended"):
        await lead(short, holder=term.holder)
    assert lives(server, lease.id), "it ends by itself"
    server.call("PUT", f"/v1/session/destroy/{lease.id}")
    assert (await lead(short)).token > term.token


async def test_nothing_is_won_past_the_promise(server: Consul, namespace: str) -> None:
    """Consul would grant it, on a session that the next renewal gives up."""
    clock = FakeClock()
    async with build(server.url(), namespace, clock=clock) as backend:
        term = await lead(backend)
        clock.advance(15)
        with pytest.raises(Unavailable, match="ended"):
            await lead(backend, "x")
        with pytest.raises(Unavailable, match="ended"):
            await change(backend, term)
        with pytest.raises(Unavailable, match="ended"):
            await lead(backend, holder=term.holder)
        assert (await backend.read("x")).term is None
        assert (await backend.read("e")).term == term
        server.call("PUT", f"/v1/session/destroy/{backend.session}")


@pytest.mark.parametrize("how", ["late", "another session"])
async def test_what_was_won_as_the_session_ended_is_not_told_as_won(
    server: Consul, namespace: str, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    clock = FakeClock()
    async with build(server.url(), namespace, clock=clock) as backend:
        session, apply = backend.session, backend._session._space.apply

        async def slow(*operations: Operation) -> int | Conflict:
            done = await apply(*operations)
            if how == "late":
                clock.advance(15)
            else:
                await backend._session.leases.open()
            return done

        monkeypatch.setattr(backend._session._space, "apply", slow)
        with pytest.raises(Unavailable, match="ended"):
            await lead(backend)
        monkeypatch.undo()
        server.call("PUT", f"/v1/session/destroy/{session}")


async def test_many_moves_share_one_longer_session(
    server: Consul, namespace: str, long: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And they leave the connections of the renewals alone."""
    async with build(server.url(), namespace) as short:
        terms = [await lead(long, f"e/{n}") for n in range(20)]
        taken, call = [], short._agent.call

        async def told(pool: Pool, method: str, path: str, *rest: object, **more: object) -> object:
            if pool is Pool.RENEWALS or "session/create" in path:
                taken.append((pool, path))
            return await call(pool, method, path, *rest, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(short._agent, "call", told)
        await asyncio.gather(*(move(short, term) for term in terms))
        monkeypatch.undo()
        assert taken == [(Pool.WORK, "/v1/session/create")]
        (lease,) = short._session.leases.longer.values()
        locks = {pair(server, namespace, term.election)["Session"] for term in terms}
        assert locks == {lease.id}
        keep = {claim(term) for term in terms}
        assert (await short.renew(keep)).survivors == keep
        assert lease.moves == 0
        assert (await short.renew([])).survivors == frozenset()


async def test_moves_at_once_share_a_renewal(server: Consul, namespace: str) -> None:
    """One that began after the last of them was asked for."""
    clock = FakeClock()
    async with (
        build(server.url(), namespace) as other,
        front(server.address) as before,
        build(at(before.target), namespace, clock=clock) as backend,
    ):
        terms = [await lead(other, f"e/{n}") for n in range(10)]

        def passes(_: web.Request) -> None:
            clock.advance(0.001)  # time, which stands still otherwise

        before.answers = passes
        before.seen.clear()
        moved = await asyncio.gather(*(move(backend, term) for term in terms))
        assert all(each.term is not None for each in moved)
        renewals = sum("session/renew" in call for call in before.seen)
        assert 1 <= renewals < len(terms)


@pytest.fixture
async def fronted(server: Consul, namespace: str) -> AsyncIterator[tuple[Front, Driver]]:
    """A backend with a front before its Consul, which it is not to notice."""
    async with front(server.address) as before, build(at(before.target), namespace) as backend:
        yield before, backend
        before.answers = lambda _: None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "ok"),
        (200, "[]"),
        (200, '[{"ID": "another"}]'),
        (200, '{"ID": 1}'),
        (409, ""),
        (200, "[" * 100_000),
    ],
)
async def test_only_our_own_renewal_is_one(
    fronted: tuple[Front, Driver], status: int, body: str
) -> None:
    before, backend = fronted
    term, session = await lead(backend), backend.session

    def lies(request: web.Request) -> web.Response | None:
        lie = web.Response(status=status, text=body)
        return lie if "session/renew" in request.path else None

    before.answers = lies
    with pytest.raises(Unavailable):
        await backend.renew([claim(term)])
    before.answers = lambda _: None
    assert (await backend.renew([claim(term)])).survivors == {claim(term)}
    assert backend.session == session


@pytest.mark.parametrize(
    ("status", "body", "error", "text"),
    [
        (500, "", Unavailable, "could not do this"),
        (200, "[]", Unavailable, "does not show"),
        (200, "[{}]", Rejected, "another ttl"),
        (200, '[{"TTL": "15000ms", "LockDelay": 15000000000}]', Rejected, "a lock-delay"),
    ],
)
async def test_a_session_that_will_not_do_is_not_left_behind(
    server: Consul, namespace: str, status: int, body: str, error: type[Exception], text: str
) -> None:
    async with front(server.address) as before:
        before.answers = lambda request: (
            web.Response(status=status, text=body) if "session/info" in request.path else None
        )
        with pytest.raises(error, match=text):
            await build(at(before.target), namespace).__aenter__()
    assert not server.sessions(f"incumbent/{namespace}")


@pytest.mark.parametrize("body", ["[]", "{}", '{"ID": ""}'])
async def test_what_names_no_session_opened_none(server: Consul, namespace: str, body: str) -> None:
    async with front(server.address) as before:
        before.answers = lambda request: (
            web.Response(text=body) if "session/create" in request.path else None
        )
        with pytest.raises(Rejected, match="opens no session"):
            await build(at(before.target), namespace).__aenter__()


async def test_a_watch_that_cannot_be_closed_does_not_keep_the_session(
    server: Consul, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = build(server.url(), namespace)
    await backend.__aenter__()
    close = backend._watch.close

    async def fails() -> None:
        await close()
        raise OSError("as if")

    monkeypatch.setattr(backend._watch, "close", fails)
    with pytest.raises(OSError, match="as if"):
        await backend.__aexit__(None, None, None)
    assert not server.sessions(f"incumbent/{namespace}")
