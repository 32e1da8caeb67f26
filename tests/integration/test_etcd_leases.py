"""A session's leases under attack: moves beside renewals, deaths, former leaders, late outcomes."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from incumbent_backends import etcd_leases
from incumbent_backends import etcd_pb2 as pb
from incumbent_backends.api import Claim, Renewal, Term, Unavailable
from incumbent_backends.etcd import Etcd as Driver
from incumbent_backends.etcd_client import KEEP_ALIVE, TXN
from incumbent_backends.etcd_session import Hanging, LeaseSession
from tests.integration.etcd_store import build, key, leases_of
from tests.integration.verbs import SECOND, lead, move
from tests.proxies import proxied
from tests.servers import Etcd, shared_etcd


@pytest.fixture(params=["etcd-3.5", "etcd-3.6"])
def store(request: pytest.FixtureRequest) -> Etcd:
    return shared_etcd(request.param)


@pytest.fixture
async def long(store: Etcd, namespace: str) -> AsyncIterator[Driver]:
    async with build(store.url(), namespace, backend_ttl=30 * SECOND) as backend:
        yield backend


@pytest.fixture
async def short(store: Etcd, namespace: str, long: Driver) -> AsyncIterator[Driver]:
    """Closed before the other one."""
    async with build(store.url(), namespace, backend_ttl=5 * SECOND) as backend:
        yield backend


@pytest.mark.parametrize("renewals", [0, 1], ids=["used until now", "found idle once"])
async def test_a_move_beside_a_renewal_keeps_the_lease_that_it_goes_to(
    long: Driver, short: Driver, monkeypatch: pytest.MonkeyPatch, renewals: int
) -> None:
    """A renewal that saw nothing on it ends no lease onto which a term has moved since."""
    first, second = await lead(long, "first"), await lead(long, "second")
    moved = (await move(short, first)).term
    assert moved is not None
    await short.release(moved)
    for _ in range(renewals):
        await short.renew([])
    look = LeaseSession.hanging

    async def and_then_move(session: LeaseSession) -> dict[Claim, Hanging]:
        hanging = await look(session)
        assert (await move(short, second)).term is not None
        return hanging

    with monkeypatch.context() as patched:
        patched.setattr(LeaseSession, "hanging", and_then_move)
        await short.renew([])
    held = (await long.read("second")).term
    assert held is not None
    assert (held.token, held.session) == (second.token, short.session)
    claim = Claim("second", second.token)
    for _ in range(3):
        assert (await short.renew([claim])).survivors == {claim}


async def test_a_move_that_was_given_up_may_land_during_the_next_renewal(
    long: Driver, short: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    term = await lead(long)
    on_its_way: asyncio.Queue[pb.TxnRequest] = asyncio.Queue()
    look = LeaseSession.hanging

    async def unanswered(_: LeaseSession, write: pb.TxnRequest, __: bytes) -> None:
        on_its_way.put_nowait(write)
        await asyncio.Event().wait()

    async def and_then_it_lands(session: LeaseSession) -> dict[Claim, Hanging]:
        hanging = await look(session)
        assert (await session._client.call(TXN, write)).succeeded
        return hanging

    with monkeypatch.context() as patched:
        patched.setattr(LeaseSession, "_write", unanswered)
        moving = asyncio.create_task(move(short, term))
        write = await on_its_way.get()
        moving.cancel()
        await asyncio.wait([moving])
    with monkeypatch.context() as patched:
        patched.setattr(LeaseSession, "hanging", and_then_it_lands)
        await short.renew([Claim("e", None)])
    claim = Claim("e", term.token)
    assert (await short.renew([claim])).survivors == {claim}


async def test_the_longer_lease_outlives_a_first_one_that_died(
    store: Etcd, long: Driver, short: Driver
) -> None:
    """It carries what another gateway has promised; the term moves on with its token."""
    term = await lead(long)
    moved = (await move(short, term)).term
    assert moved is not None
    store.say("lease/revoke", ID=str(int(short.session, 16)))
    assert (await short.renew([Claim("e", term.token)])).survivors == frozenset()
    assert short.session != moved.session
    assert (await long.read("e")).term == moved
    back = (await move(short, moved)).term
    assert back is not None
    assert (back.token, back.session) == (term.token, short.session)


async def test_what_hangs_on_a_lease_that_was_given_up_is_no_survivor(
    store: Etcd, long: Driver, short: Driver
) -> None:
    """Nobody renews it any more; it ends by itself, not before what others have promised."""
    moved = (await move(short, await lead(long))).term
    assert moved is not None
    (longer,) = leases_of(store, short) - {short._leases.first}
    del short._leases.granted[longer]  # as before an end of it that fails
    assert (await short.renew([Claim("e", moved.token)])).survivors == frozenset()
    assert (await long.read("e")).term == moved


async def test_renewals_side_by_side_open_one_session(store: Etcd, namespace: str) -> None:
    async with build(store.url(), namespace) as backend:
        store.say("lease/revoke", ID=str(int(backend.session, 16)))
        term: list[Term] = []

        async def renew_and_lead() -> Renewal:
            renewal = await backend.renew([])
            term.append(await lead(backend, f"e/{len(term)}"))
            return renewal

        await asyncio.gather(*(renew_and_lead() for _ in range(4)))
        assert {each.session for each in term} == {backend.session}


async def test_a_renewal_given_up_leaves_the_connection(namespace: str) -> None:
    """One that swallows everything is not waited for: the next call has another connection."""
    async with (
        proxied(shared_etcd("etcd-3.6").address) as proxy,
        build(f"etcd://{proxy.target}", namespace, backend_ttl=2 * SECOND) as backend,
    ):
        before = backend._client._link
        proxy.answers.hold()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(backend.renew([]), 2 / 3)  # as long as the gateway waits
        proxy.answers.release()
        await backend.renew([])
        assert backend._client._link is not before


class Former:
    """Reads answers to keepalives as a leader gives them who was frozen, and is none any more."""

    @staticmethod
    def FromString(data: bytes) -> pb.LeaseKeepAliveResponse:  # noqa: N802 protobuf's name
        answer = pb.LeaseKeepAliveResponse.FromString(data)
        answer.header.raft_term -= 1
        return answer


async def test_a_former_leader_renews_nothing(
    store: Etcd, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers before it hears of its successor, for whom the lease began anew before that."""
    async with build(store.url(), namespace) as one, build(store.url(), namespace) as two:
        term = await lead(one)
        former = KEEP_ALIVE._replace(answer=Former)  # type: ignore[arg-type]
        monkeypatch.setattr(etcd_leases, "KEEP_ALIVE", former)
        for call in (lambda: two.renew([]), lambda: move(two, term)):
            with pytest.raises(Unavailable):
                await call()
        assert (await one.read("e")).term == term
        monkeypatch.undo()
        assert (await move(two, term)).term is not None


async def test_a_leader_that_changed_since_the_keepalive(
    store: Etcd, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list that follows is of another raft term: so nobody knows who had answered."""
    async with build(store.url(), namespace) as backend:
        look = LeaseSession.hanging

        async def in_another_term(session: LeaseSession) -> dict[Claim, Hanging]:
            hanging = await look(session)
            backend._client.raft_term += 1
            return hanging

        monkeypatch.setattr(LeaseSession, "hanging", in_another_term)
        with pytest.raises(Unavailable, match="changed its leader"):
            await backend.renew([])


async def test_a_move_never_shortens_and_the_longer_lease_goes(
    store: Etcd, namespace: str, long: Driver, short: Driver
) -> None:
    term = await lead(long)
    moved = (await move(short, term)).term
    assert moved is not None
    assert (moved.session, moved.backend_ttl) == (short.session, 30 * SECOND)
    (kv,) = store.say("kv/range", key=key(namespace, "e"))["kvs"]
    assert int(store.say("lease/timetolive", ID=kv["lease"])["grantedTTL"]) == 30
    own = await lead(short, "own")
    keep = [Claim("e", term.token), Claim("own", own.token)]
    assert (await short.renew(keep)).survivors == frozenset(keep)
    assert len(leases_of(store, short)) == 2
    await short.release(moved)
    for _ in range(2):  # found with nothing on it twice
        await short.renew([Claim("own", own.token)])
    assert leases_of(store, short) == {int(short.session, 16)}


async def test_many_moves_share_one_longer_lease(store: Etcd, long: Driver, short: Driver) -> None:
    terms = [await lead(long, f"e/{number}") for number in range(20)]
    moved = await asyncio.gather(*(move(short, term) for term in terms))
    assert {snapshot.term.session for snapshot in moved if snapshot.term} == {short.session}
    assert len(leases_of(store, short)) == 2
    claims = [Claim(term.election, term.token) for term in terms]
    assert (await short.renew(claims)).survivors == frozenset(claims)
