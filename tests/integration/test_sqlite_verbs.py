"""The verbs on a real file: what the conformance suite cannot see from outside the driver."""

import asyncio
from pathlib import Path

import pytest

from incumbent_backends.api import Claim, Rejected, Unavailable
from incumbent_backends.conformance import FakeClock
from incumbent_backends.sqlite import Sqlite
from tests.integration.sqlite_store import (
    bid,
    build,
    locked,
    look_round,
    occupied,
    paused,
    sql,
    trace,
)
from tests.integration.verbs import SECOND, lead, move, watching


async def test_two_gateways_race_for_two_hundred_elections(path: Path) -> None:
    async with build(path) as one, build(path) as two:
        names = [f"race/{number}" for number in range(200)]
        asked = [bid(backend, name) for name in names for backend in (one, two)]
        answers = await asyncio.gather(*asked)
        tokens = {seen.term.token for seen in answers if seen.term is not None}
        assert len(tokens) == 200
        for mine, theirs in zip(answers[::2], answers[1::2], strict=True):
            assert mine.term == theirs.term


async def test_a_renewal_of_a_thousand_terms_is_two_statements(backend: Sqlite) -> None:
    terms = [await lead(backend, f"e/{number}") for number in range(1000)]
    keep = [Claim(term.election, term.token) for term in terms]
    statements = await trace(backend)
    renewal = await backend.renew(keep)
    assert renewal.survivors == frozenset(keep)
    assert [text.split()[0] for text in statements] == ["UPDATE", "SELECT"]


async def test_a_losing_bid_and_a_read_write_nothing(path: Path, backend: Sqlite) -> None:
    term = await lead(backend)
    async with build(path) as other:
        statements = await trace(other)
        assert (await bid(other)).term == term
        assert (await other.read("e")).term == term
        assert [text.split()[0] for text in statements] == ["SELECT"]


async def test_a_term_that_is_committed_after_the_renewal_was_called_survives_it(
    backend: Sqlite,
) -> None:
    with paused(backend, "COMMIT") as reached:
        winning = asyncio.create_task(lead(backend))
        await asyncio.to_thread(reached.wait, 5)
        renewing = asyncio.create_task(backend.renew([]))
        await asyncio.sleep(0)  # the call has begun
    term = await winning
    claim = Claim(term.election, term.token)
    assert (await renewing).survivors == {claim}
    # without the acquire it is an orphan like any other
    assert (await backend.renew([])).survivors == frozenset()
    assert (await backend.read("e")).term is None


async def test_a_term_of_an_answer_that_got_lost_ends_at_the_next_renewal(
    backend: Sqlite,
) -> None:
    with paused(backend, "COMMIT") as reached:
        winning = asyncio.create_task(lead(backend))
        await asyncio.to_thread(reached.wait, 5)
        winning.cancel()
        await asyncio.wait([winning])
    assert await settled(backend)
    assert (await backend.renew([Claim("e", None)])).survivors != frozenset()
    assert (await backend.renew([])).survivors == frozenset()


async def settled(backend: Sqlite) -> bool:
    """Whatever was begun on the writing thread has ended."""
    await backend._writes.run(lambda _: None)
    return (await backend.read("e")).term is not None


async def test_a_queued_bid_that_is_cancelled_never_happens(backend: Sqlite) -> None:
    free = await occupied(backend)
    waiting = asyncio.create_task(bid(backend))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    free.set()
    await backend.renew([])
    assert not await settled(backend)


async def test_renewals_go_before_everything_queued(backend: Sqlite) -> None:
    statements = await trace(backend)
    free = await occupied(backend)
    bids = [asyncio.create_task(bid(backend, f"e/{number}")) for number in range(5)]
    await asyncio.sleep(0)
    renewing = asyncio.create_task(backend.renew([]))
    await asyncio.sleep(0)
    free.set()
    await asyncio.gather(renewing, *bids)
    assert statements[0].startswith("UPDATE incumbent_session")


async def test_reads_do_not_wait_for_a_lock(path: Path, backend: Sqlite) -> None:
    term = await lead(backend)
    with locked(path):
        writing = asyncio.create_task(bid(backend, "another"))
        async with asyncio.timeout(0.5):
            assert (await backend.read("e")).term == term
        with pytest.raises(Unavailable):
            await writing


async def test_a_dead_session_wins_nothing_until_another_is_opened(
    path: Path, backend: Sqlite
) -> None:
    await lead(backend)
    async with build(path) as other:
        theirs = await lead(other, "theirs")
        sql(path, "DELETE FROM incumbent_session WHERE id = ?", backend.session)
        before = (
            sql(path, "SELECT * FROM incumbent_term"),
            sql(path, "SELECT * FROM incumbent_namespace"),
        )
        with pytest.raises(Unavailable):
            await bid(backend)
        with pytest.raises(Unavailable):
            await move(backend, theirs)
        after = (
            sql(path, "SELECT * FROM incumbent_term"),
            sql(path, "SELECT * FROM incumbent_namespace"),
        )
        assert after == before
        dead = backend.session
        assert (await backend.renew([])).survivors == frozenset()
        assert backend.session != dead
        assert (await bid(backend)).term is not None


async def test_a_counter_lowered_by_hand_while_in_use(path: Path, backend: Sqlite) -> None:
    """An election's own record still says what its last token was."""
    await lead(backend, "another")
    term = await lead(backend)
    sql(path, "UPDATE incumbent_namespace SET last_token = 0")
    await backend.release(term)
    assert (await lead(backend)).token > term.token


async def test_a_move_never_shortens(path: Path) -> None:
    """A minute's promise moves to a session of one second: for a minute it is kept that long."""
    clock = FakeClock()
    async with (
        build(path, backend_ttl=60 * SECOND, clock=clock) as slow,
        build(path, backend_ttl=SECOND, clock=clock) as quick,
        build(path, backend_ttl=SECOND, clock=clock) as witness,
        watching(witness) as watch,
    ):
        term = await lead(slow)
        await watch.until("e", term.token)
        moved = (await move(quick, term)).term
        assert moved is not None
        assert (moved.session, moved.token) == (quick.session, term.token)
        assert moved.backend_ttl == 60 * SECOND
        assert row(path, quick) == (1, 60_000)  # renewed by the move itself
        await look_round(watch, slow)

        clock.advance(50)  # far beyond quick's own ttl, and neither renews
        await look_round(watch, slow)
        assert row(path, quick) == (1, 60_000)

        keep = [Claim("e", term.token)]
        renewal = await quick.renew(keep)
        assert renewal.good_until == clock.now() + 1  # to its own clients it promises its own
        assert row(path, quick) == (2, 60_000)
        clock.advance(10.5)  # now nobody trusts slow's promise any more
        await quick.renew(keep)
        assert row(path, quick) == (3, 1000)
        await look_round(watch, slow)
        clock.advance(1.1)
        await watch.until("e", None)


def row(path: Path, backend: Sqlite) -> tuple[int, int]:
    found = sql(
        path,
        "SELECT renewals, backend_ttl_ms FROM incumbent_session WHERE id = ?",
        backend.session,
    )
    return found[0][0], found[0][1]


NAMES = [
    *("a", "A", "a/b", "a/B", "a_b", "a%b", "a.b", "a-b", "a//b", "a b", "a;--", "a'b", 'a"b'),
    *("a\\b", "a\\\\b", "a\tb", "a\x1fb", "é", "e\u0301", "[]", "null", "1", "1.0", "01", "😀"),
    *("x" * 255, "x" * 254, ":election", "?1"),
]


async def test_names_that_look_alike_are_elections_and_namespaces_of_their_own(
    path: Path,
) -> None:
    async with (
        build(path, namespace="a%") as one,
        build(path, namespace="A%") as two,
        build(path, namespace="a_") as three,
        watching(one) as watch,
    ):
        terms = {
            (backend, name): await lead(backend, name, candidate=f"{number} {name}", value=b"\0'")
            for number, backend in enumerate((one, two, three))
            for name in NAMES
        }
        for (backend, name), term in terms.items():
            assert (await backend.read(name)).term == term
        last = terms[one, NAMES[-1]]
        await watch.until(NAMES[-1], last.token)
        async with watching(one) as again:
            assert again.first == {name: terms[one, name] for name in NAMES}
        for name in NAMES[::2]:
            await one.release(terms[one, name])
        for (backend, name), term in terms.items():
            led = backend is not one or name in NAMES[1::2]
            assert (await backend.read(name)).term == (term if led else None)
        keep = [Claim(name, terms[two, name].token) for name in NAMES]
        assert (await two.renew(keep)).survivors == frozenset(keep)


async def test_people_see_who_leads(path: Path, backend: Sqlite) -> None:
    term = await lead(backend, "team/scheduler", candidate="node-a")
    await backend.release(await lead(backend, "released"))
    found = sql(path, "SELECT namespace, election, candidate, token FROM incumbent_leaders")
    assert found == [("tests", "team/scheduler", "node-a", term.token)]
    sql(path, "DELETE FROM incumbent_session")
    assert sql(path, "SELECT * FROM incumbent_leaders") == []


async def test_a_row_that_no_gateway_wrote_is_rejected_in_words(path: Path) -> None:
    async with build(path) as backend:
        term = await lead(backend)
        sql(path, "UPDATE incumbent_term SET begin_time = 'yesterday'")
        with pytest.raises(Rejected, match="no gateway wrote"):
            await backend.read(term.election)
        sql(path, "UPDATE incumbent_term SET begin_time = ?", term.begin_time.isoformat())
        assert (await backend.read(term.election)).term == term
