"""What waits together is one transaction on a real file: told after its commit, each its own."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from incumbent_backends.api import Claim, Rejected, Snapshot, Term, Unavailable
from incumbent_backends.sqlite import Sqlite
from incumbent_backends.sqlite_thread import TOGETHER
from tests.integration.sqlite_store import bid, build, locked, occupied, paused, sql, trace
from tests.integration.verbs import lead

MANY = 100


async def waiting(backend: Sqlite, *elections: str) -> list[asyncio.Task[Snapshot]]:
    """Bids that the writing thread finds all at once."""
    free = await occupied(backend)
    bids = [asyncio.create_task(bid(backend, election)) for election in elections]
    await asyncio.sleep(0)  # they are queued
    free.set()
    return bids


def led(answers: list[Snapshot]) -> list[Term]:
    terms = [answer.term for answer in answers if answer.term is not None]
    assert len(terms) == len(answers)
    return terms


async def test_many_bids_and_ends_share_a_few_commits(backend: Sqlite) -> None:
    statements = await trace(backend)
    terms = led(await asyncio.gather(*await waiting(backend, *map(str, range(MANY)))))
    assert sorted(term.token for term in terms) == list(range(1, MANY + 1))
    assert statements.count("COMMIT") == -(-MANY // TOGETHER)
    statements.clear()
    free = await occupied(backend)
    ends = [asyncio.create_task(backend.release(term)) for term in terms]
    await asyncio.sleep(0)
    free.set()
    await asyncio.gather(*ends)
    assert statements.count("COMMIT") == -(-MANY // TOGETHER)
    for term in terms[:: MANY // 5]:
        assert (await backend.read(term.election)).term is None


async def test_bids_on_one_election_have_one_winner(backend: Sqlite) -> None:
    terms = led(await asyncio.gather(*await waiting(backend, *["e"] * 10)))
    assert len(set(terms)) == 1
    assert (await backend.read("e")).term == terms[0]


async def test_nothing_is_told_before_the_commit(path: Path, backend: Sqlite) -> None:
    with paused(backend, "COMMIT") as reached:
        bids = await waiting(backend, "a", "b")
        assert await asyncio.to_thread(reached.wait, 5)
        await asyncio.sleep(0)
        assert not any(each.done() for each in bids)
        assert sql(path, "SELECT count(*) FROM incumbent_term") == [(0,)]
    led(await asyncio.gather(*bids))


async def test_terms_committed_after_the_renewal_was_called_survive_it(backend: Sqlite) -> None:
    with paused(backend, "COMMIT") as reached:
        bids = await waiting(backend, "a", "b")
        assert await asyncio.to_thread(reached.wait, 5)
        renewing = asyncio.create_task(backend.renew([]))
        await asyncio.sleep(0)  # the call has begun
    claims = {Claim(term.election, term.token) for term in led(await asyncio.gather(*bids))}
    assert (await renewing).survivors == claims
    assert (await backend.renew([])).survivors == frozenset()


async def test_one_that_fails_costs_the_others_nothing(path: Path, backend: Sqlite) -> None:
    before = await lead(backend, "bad")
    sql(path, "UPDATE incumbent_term SET begin_time = 'yesterday' WHERE election = 'bad'")
    good, bad, other = await waiting(backend, "a", "bad", "b")
    with pytest.raises(Rejected, match="a row that no gateway wrote"):
        await bad
    terms = led([await good, await other])
    assert {term.token for term in terms} == {before.token + 1, before.token + 2}
    for term in terms:
        assert (await backend.read(term.election)).term == term


async def test_a_dead_session_wins_nothing(path: Path, backend: Sqlite) -> None:
    sql(path, "DELETE FROM incumbent_session WHERE id = ?", backend.session)
    for each in await waiting(backend, "a", "b", "c"):
        with pytest.raises(Unavailable, match="has ended"):
            await each
    assert sql(path, "SELECT count(*) FROM incumbent_term") == [(0,)]


async def test_behind_a_lock_each_is_told(path: Path, backend: Sqlite) -> None:
    with locked(path):
        for each in await waiting(backend, "a", "b", "c"):
            with pytest.raises(Unavailable, match="is locked"):
                await each
    led([await bid(backend, "a")])


async def test_one_that_is_cancelled_in_the_queue_never_happens(backend: Sqlite) -> None:
    free = await occupied(backend)
    first, cancelled, last = (asyncio.create_task(bid(backend, each)) for each in "abc")
    await asyncio.sleep(0)
    cancelled.cancel()
    with suppress(asyncio.CancelledError):
        await cancelled
    free.set()
    assert [term.token for term in led([await first, await last])] == [1, 2]
    assert (await backend.read("b")).term is None


async def test_another_gateway_has_its_turn_between_two_transactions(
    path: Path, backend: Sqlite
) -> None:
    """A thousand bids hold the lock for most of the time; the other's renewals and bids go on."""
    async with build(path) as other:
        crowd = [asyncio.create_task(bid(backend, f"e/{number}")) for number in range(1000)]
        await asyncio.sleep(0)
        turns = 0
        while not all(each.done() for each in crowd):
            await other.renew([])
            await lead(other, f"others/{turns}")
            turns += 1
        led(await asyncio.gather(*crowd))
        assert turns
