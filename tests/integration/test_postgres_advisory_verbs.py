"""The verbs on real advisory locks: that they stack, that a key is no name, and who waits."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator

import psycopg
import pytest

from incumbent_backends import postgres_lock_session
from incumbent_backends.api import Claim, Rejected, Unavailable
from incumbent_backends.postgres_advisory import PostgresAdvisory
from incumbent_backends.postgres_lock_keys import SessionName, election_key
from tests.integration.advisory_store import build, held, terminate
from tests.integration.postgres_store import eventually, sql, transaction, waits_for_lock
from tests.integration.verbs import lead, watching
from tests.proxies import proxied
from tests.servers import shared

STORE = "postgres"


@pytest.fixture
async def backend(url: str, namespace: str) -> AsyncIterator[PostgresAdvisory]:
    async with build(url, namespace) as opened:
        yield opened


@pytest.fixture
async def other(
    url: str, namespace: str, backend: PostgresAdvisory
) -> AsyncIterator[PostgresAdvisory]:
    async with build(url, namespace) as opened:
        yield opened


def the_counter(namespace: str) -> str:
    return f"SELECT 1 FROM incumbent_namespace WHERE name = '{namespace}' FOR UPDATE"


async def test_a_lock_is_taken_once_and_given_back_once(
    url: str, namespace: str, backend: PostgresAdvisory, other: PostgresAdvisory
) -> None:
    """wolverine#2691: session locks stack, so a lock taken twice is still held after a resign."""
    term = await lead(backend, holder="a" * 64)
    for _ in range(3):
        assert await lead(backend, holder="a" * 64) == term
    term = await lead(backend, holder="a" * 64, attempt=2, value=b"new", resume=term.token)
    await backend.renew([Claim("e", term.token)])
    assert held(url, namespace, "e") == [backend.session]
    await backend.release(term)
    assert held(url, namespace, "e") == []
    assert (await lead(other)).token > term.token


async def test_a_record_deleted_by_hand_does_not_stack_its_lock(
    url: str, namespace: str, backend: PostgresAdvisory, other: PostgresAdvisory
) -> None:
    term = await lead(backend)
    sql(url, "DELETE FROM incumbent_lock_term WHERE namespace = %s", namespace)
    again = await lead(backend)  # on the lock that is still held
    assert again.token > term.token
    await backend.release(again)
    assert held(url, namespace, "e") == []


async def test_two_elections_with_one_key_are_never_one(
    url: str,
    namespace: str,
    backend: PostgresAdvisory,
    other: PostgresAdvisory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = secrets.randbits(63)
    monkeypatch.setattr(postgres_lock_session, "election_key", lambda *_: key)
    term = await lead(backend, "one")
    for by in (backend, other):
        with pytest.raises(Rejected, match="election two has the same lock key as election one"):
            await lead(by, "two")
        assert (await by.read("two")).term is None
        assert (await by.read("one")).term == term
        await backend.renew([Claim("one", term.token)])
    await backend.release(term)
    second = await lead(other, "two")
    assert second.token > term.token
    assert (await backend.read("one")).term is None  # though the lock of its key is held
    with pytest.raises(Rejected, match="election one has the same lock key as election two"):
        await lead(backend, "one")
    terminate(url, other.session)
    assert (await eventually(lambda: lead(backend, "one"))).token > second.token
    assert (await other.read("two")).term is None


async def test_keys_are_salted_with_the_namespace() -> None:
    keys = {election_key(name, "e") for name in ("a", "b", "c")}
    assert len(keys) == 3
    assert all(-(2**63) <= key < 2**63 for key in keys)
    assert election_key("a", "e") == 9105934270404436701  # part of the layout: never another


async def test_the_lock_of_another_program_is_no_leader(
    url: str, namespace: str, backend: PostgresAdvisory
) -> None:
    with psycopg.connect(url, autocommit=True) as stranger:
        stranger.execute("SELECT pg_advisory_lock(%s)", (election_key(namespace, "e"),))
        with pytest.raises(Unavailable, match="held by somebody who does not lead"):
            await lead(backend)
        assert (await backend.read("e")).term is None
    await eventually(lambda: lead(backend))


async def test_a_row_counts_only_with_the_lock_of_its_own_session(
    url: str, namespace: str, backend: PostgresAdvisory, other: PostgresAdvisory
) -> None:
    """A process id may come again, and the lock with it: that is not the session that died."""
    term = await lead(backend)
    terminate(url, backend.session)
    name = SessionName.draw()
    with psycopg.connect(url, autocommit=True) as stranger:
        async with asyncio.timeout(5):
            while held(url, namespace, "e"):
                await asyncio.sleep(0.01)
        stranger.execute("SELECT pg_advisory_lock(%s)", (election_key(namespace, "e"),))
        stranger.execute("SELECT pg_advisory_lock(%s, %s)", name)
        assert held(url, namespace, "e") == [str(name)]
        assert (await other.read("e")).term is None
        ((row,),) = sql(
            url, "SELECT session FROM incumbent_lock_term WHERE namespace = %s", namespace
        )
        assert row == term.session


async def test_tokens_are_drawn_under_the_lock(
    url: str, namespace: str, backend: PostgresAdvisory, other: PostgresAdvisory
) -> None:
    """Who has the lock and waits for the counter leads; its rival waits, and takes no token."""
    with transaction(url, the_counter(namespace)) as counter:
        bid = asyncio.create_task(lead(backend, holder="a" * 64))
        await waits_for_lock(url)
        assert held(url, namespace, "e") == [backend.session]
        rival = asyncio.create_task(
            other.acquire("e", holder="b" * 64, attempt=1, candidate="", value=b"")
        )
        await asyncio.sleep(0.1)
        counter.commit()
        assert (await rival).term == await bid


async def test_a_bid_that_fails_gives_its_lock_back(
    url: str, namespace: str, backend: PostgresAdvisory, other: PostgresAdvisory
) -> None:
    with transaction(url, the_counter(namespace)):
        with pytest.raises(Unavailable, match="locked for too long"):
            await lead(backend)
        assert held(url, namespace, "e") == []
    await lead(other)


async def test_a_bid_that_nobody_waits_for_takes_no_lock(
    url: str, namespace: str, backend: PostgresAdvisory
) -> None:
    with transaction(url, the_counter(namespace)) as counter:
        first = asyncio.create_task(lead(backend, "first"))
        await waits_for_lock(url)
        second = asyncio.create_task(lead(backend, "second"))
        await asyncio.sleep(0.01)
        second.cancel()
        counter.commit()
        await first
    await backend.renew([Claim("first", None)])
    assert held(url, namespace, "second") == []
    assert (await backend.read("second")).term is None


async def test_a_win_whose_caller_left_is_told_again_or_ended(
    url: str, namespace: str, backend: PostgresAdvisory
) -> None:
    """authentik#23876: no lock is stranded."""
    for wanted in (True, False):
        with transaction(url, the_counter(namespace)) as counter:
            bid = asyncio.create_task(lead(backend, holder="a" * 64))
            await waits_for_lock(url)
            bid.cancel()
            await asyncio.wait([bid])
            counter.commit()
        await backend.renew([Claim("e", None)])
        late = (await backend.read("e")).term
        assert late is not None
        if wanted:
            assert await lead(backend, holder="a" * 64) == late
            await backend.release(late)
        else:
            await backend.renew([])
        assert held(url, namespace, "e") == []


async def test_a_late_answer_is_taken_for_its_own_call(url: str, namespace: str) -> None:
    address = shared(STORE).address
    async with (
        proxied(address) as proxy,
        build(url.replace(address, proxy.target), namespace) as backend,
    ):
        session, term = backend.session, await lead(backend)
        proxy.answers.hold()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await backend.renew([Claim("e", term.token)])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await lead(backend, "late")
        proxy.answers.release()
        assert (await lead(backend, "next")).election == "next"
        renewal = await backend.renew([Claim("e", term.token), Claim("next", None)])
        assert Claim("e", term.token) in renewal.survivors
        assert backend.session == session


async def test_a_lock_that_is_not_held_gives_up_the_session(
    url: str, namespace: str, backend: PostgresAdvisory
) -> None:
    session, term = backend.session, await lead(backend)
    key = election_key(namespace, "e")
    await backend._lane.run(lambda db, _: db.execute(f"SELECT pg_advisory_unlock({key})".encode()))
    with pytest.raises(Unavailable, match="its session is over"):
        await backend.release(term)
    with pytest.raises(Unavailable, match="session in PostgreSQL has ended"):
        await lead(backend)
    await backend.renew([])
    assert backend.session != session
    assert (await lead(backend)).token > term.token


async def test_a_hundred_bids_delay_no_renewal(
    url: str, namespace: str, backend: PostgresAdvisory
) -> None:
    """A renewal waits for the statement that is under way, one second at most, and for one more."""
    term = await lead(backend)
    with transaction(url, the_counter(namespace)) as counter:
        bids = [asyncio.create_task(lead(backend, f"new/{n}")) for n in range(100)]
        await waits_for_lock(url)
        keep = [Claim("e", term.token), *(Claim(f"new/{n}", None) for n in range(100))]
        for _ in range(2):
            began = time.monotonic()
            assert Claim("e", term.token) in (await backend.renew(keep)).survivors
            assert time.monotonic() - began < 2 + 2
        counter.commit()
    answers = await asyncio.gather(*bids, return_exceptions=True)
    assert all(isinstance(answer, Unavailable) or answer.token for answer in answers)  # type: ignore[union-attr]


async def test_reads_wait_for_no_bid(url: str, namespace: str, backend: PostgresAdvisory) -> None:
    term = await lead(backend)
    with transaction(url, the_counter(namespace)) as counter:
        bid = asyncio.create_task(lead(backend, "new"))
        await waits_for_lock(url)
        began = time.monotonic()
        assert (await backend.read("e")).term == term
        async with watching(backend) as watch:
            assert watch.first == {"e": term}
        assert time.monotonic() - began < 0.5
        counter.commit()
        await bid


async def test_a_win_and_a_release_are_told_well_before_the_slow_look(
    url: str, namespace: str, backend: PostgresAdvisory, other: PostgresAdvisory
) -> None:
    async with watching(other) as watch:
        waits = []
        for n in range(20):
            began = time.monotonic()
            term = await lead(backend, f"e/{n}")
            await watch.until(f"e/{n}", term.token)
            await backend.release(term)
            await watch.until(f"e/{n}", None)
            waits.append(time.monotonic() - began)
    assert sorted(waits)[len(waits) // 2] < 0.2
