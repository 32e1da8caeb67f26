"""Watching a real file: hands in the tables, silent sessions, readers that come, lag and go."""

import asyncio
import gc
import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from incumbent_backends import sqlite_watch
from incumbent_backends.api import Claim, Rejected, Snapshot, Synced, Unavailable
from incumbent_backends.conformance import FakeClock
from incumbent_backends.lease_picture import SessionRow
from incumbent_backends.sqlite import Sqlite
from tests.integration.sqlite_store import build, look_round, occupied, sql
from tests.integration.verbs import SECOND, lead, watching

BY_HAND = {
    "the record": "DELETE FROM incumbent_term",
    "the session": "DELETE FROM incumbent_session",
    "only the link": "UPDATE incumbent_term SET session = NULL",
}


@pytest.mark.parametrize("pause", [0, 0.3], ids=["before a whole look", "after one"])
@pytest.mark.parametrize("statement", BY_HAND.values(), ids=BY_HAND.keys())
async def test_a_hand_in_the_tables_is_told_within_a_second(
    path: Path, backend: Sqlite, statement: str, pause: float
) -> None:
    async with build(path) as other, watching(other) as watch:
        term = await lead(backend)
        await watch.until("e", term.token)
        await asyncio.sleep(pause)  # the bid brings about a whole look of its own
        sql(path, statement)
        await watch.until("e", None, seconds=1)
        assert (await backend.renew([Claim("e", term.token)])).survivors == frozenset()
        again = await lead(backend)
        assert again.token > term.token
        await watch.until("e", again.token)


@pytest.mark.parametrize("column", ["version", "token", "attempt", "backend_ttl_ms"])
async def test_a_number_that_is_none_is_refused_at_the_hand_or_at_the_reading(
    path: Path, backend: Sqlite, column: str
) -> None:
    """SQLite keeps any type in any column; a text for a token would stop whoever compares it."""
    term = await lead(backend)
    statement = f"UPDATE incumbent_term SET {column} = 'many'"
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        sql(path, statement)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute(statement)
    with pytest.raises(Rejected, match="a row that no gateway wrote"):
        await backend.read("e")
    sql(path, "DELETE FROM incumbent_term")
    assert (await lead(backend)).token > term.token


async def test_a_term_that_is_gone_before_the_next_look_is_told_as_gone(
    path: Path, backend: Sqlite
) -> None:
    """The bid's own caller was told of it, so the vacancy is news although no look saw the term."""
    async with watching(backend) as watch:
        for name in "abcdefgh":
            await lead(backend, name)
            sql(path, BY_HAND["the record"])
            async with asyncio.timeout(1):
                async for item in watch.items:
                    assert isinstance(item, Snapshot)
                    if item.election == name and item.term is None:
                        break


async def test_a_bid_that_changes_nothing_is_no_news(path: Path, backend: Sqlite) -> None:
    async with build(path) as other, watching(backend) as watch:
        led = await lead(other, "led")
        await watch.until("led", led.token)
        loser: dict[str, Any] = {"holder": "0" * 64, "attempt": 1, "candidate": "c", "value": b""}
        for number in range(8):
            await backend.acquire("led", **loser)
            await backend.renew([])
            term = await lead(other, f"next/{number}")
            async with asyncio.timeout(5):
                item = await anext(watch.items)
            assert isinstance(item, Snapshot)
            assert item.term == term


async def test_the_counter_deleted_by_hand_grants_nothing_and_loses_nothing(
    path: Path, backend: Sqlite
) -> None:
    kept, ended = await lead(backend, "kept"), await lead(backend, "ended")
    ((last,),) = sql(path, "SELECT last_token FROM incumbent_namespace")
    sql(path, "DELETE FROM incumbent_namespace")
    with pytest.raises(Rejected, match="last_token"):
        await lead(backend, "new")
    keep = frozenset({Claim("kept", kept.token)})
    assert (await backend.renew([*keep, Claim("ended", ended.token)])).survivors > keep
    async with watching(backend) as watch:
        await backend.release(ended)  # ends all the same
        await watch.until("ended", None, seconds=1)
    sql(
        path,
        "INSERT INTO incumbent_namespace VALUES ('tests', 'sqlite lease rows', 1, ?, 100)",
        last,
    )
    assert (await lead(backend, "new")).token > ended.token
    assert (await backend.renew([*keep, Claim("new", None)])).survivors > keep


async def test_a_silent_session_ends_after_its_ttl_and_a_renewed_one_does_not(
    path: Path, backend: Sqlite
) -> None:
    clock = FakeClock()
    async with (
        build(path, backend_ttl=SECOND) as renewing,
        build(path, backend_ttl=SECOND) as silent,
        build(path, clock=clock) as witness,
        watching(witness) as watch,
    ):
        terms = {name: await lead(by, name) for name, by in [("r", renewing), ("s", silent)]}
        await watch.until("s", terms["s"].token)
        clock.advance(1.0)
        await look_round(watch, backend)
        assert len(sql(path, "SELECT * FROM incumbent_session")) == 4  # 1.02 are not over
        await renewing.renew([Claim("r", terms["r"].token)])
        await look_round(watch, backend)
        clock.advance(0.1)
        await watch.until("s", None)
        assert (await witness.read("r")).term == terms["r"]
        assert (await lead(witness, "s")).token > terms["s"].token
        assert (await silent.renew([Claim("s", terms["s"].token)])).survivors == frozenset()


async def test_a_renewal_saves_a_session_that_was_already_to_be_ended(
    path: Path, backend: Sqlite
) -> None:
    clock = FakeClock()
    async with (
        build(path, backend_ttl=SECOND) as late,
        build(path, clock=clock) as witness,
        watching(witness) as watch,
    ):
        term = await lead(late)
        await watch.until("e", term.token)
        free = await occupied(witness)
        clock.advance(5)
        await look_round(watch, backend)
        assert witness._watch._killing  # asked for, on a thread that is busy
        await late.renew([Claim("e", term.token)])
        free.set()
        await look_round(watch, backend)
        assert (await witness.read("e")).term == term
        clock.advance(0.9)
        await look_round(watch, backend)
        assert (await witness.read("e")).term == term
        clock.advance(0.2)
        await watch.until("e", None)


async def test_ending_a_session_compares_its_renewals(path: Path, backend: Sqlite) -> None:
    async with build(path) as other:
        await other.renew([])
        for renewals, left in [(0, 1), (2, 1), (1, 0)]:
            row = SessionRow(other.session, renewals, 1000)
            await asyncio.wrap_future(backend._kill(row))
            found = sql(path, "SELECT 1 FROM incumbent_session WHERE id = ?", other.session)
            assert len(found) == left


async def test_silent_sessions_end_though_nobody_watches(path: Path) -> None:
    clock = FakeClock()
    async with build(path, clock=clock) as witness, build(path, backend_ttl=SECOND) as silent:
        await lead(silent)
        async with watching(witness):
            pass
        clock.advance(60)
        async with asyncio.timeout(5):
            while (await witness.read("e")).term is not None:
                await asyncio.sleep(0.005)


async def test_two_watches_at_once_and_one_that_ends_early(backend: Sqlite) -> None:
    async with watching(backend) as one:
        async with watching(backend) as two:
            term = await lead(backend)
            await one.until("e", term.token)
            await two.until("e", term.token)
        assert len(backend._watch._subscribers) == 1
        await backend.release(term)
        await one.until("e", None)
    assert backend._watch._subscribers == []


async def test_a_reader_that_lags_is_told_the_latest_state_only(backend: Sqlite) -> None:
    async with watching(backend) as watch:
        for _ in range(30):
            term = await lead(backend)
            await backend.release(term)
            await asyncio.sleep(0.003)
        final = await lead(backend)
        end = await lead(backend, "z-last")
        told = []
        async for item in watch.items:
            assert isinstance(item, Snapshot)
            told.append(item)
            if item.term == end:
                break
        assert len(told) <= 3
        assert (await backend.read("e")).term == final
        assert [item for item in told if item.election == "e"][-1].term == final


async def test_what_is_told_adds_up_to_what_is_there(path: Path, backend: Sqlite) -> None:
    """Bursts by two writers: the last news of each election is its state."""
    told: dict[str, Snapshot] = {}
    async with build(path) as other, watching(other) as watch:

        async def follow() -> None:
            async for item in watch.items:
                assert isinstance(item, Snapshot)
                before = told.get(item.election)
                if before is not None and before.term is not None and item.term is not None:
                    assert item.term.token >= before.term.token
                told[item.election] = item

        following = asyncio.create_task(follow())
        names = [f"e/{number}" for number in range(300)]

        async def churn(by: Sqlite, mine: list[str]) -> None:
            for name in mine:
                term = await lead(by, name)
                if len(name) % 2:
                    await by.release(term)

        await asyncio.gather(churn(backend, names[::2]), churn(other, names[1::2]))
        end = await lead(backend, "end")
        async with asyncio.timeout(5):
            while told.get("end") is None or told["end"].term != end:
                await asyncio.sleep(0.005)
        following.cancel()
        await asyncio.wait([following])
        for name in names:
            there = (await other.read(name)).term
            # an election that came and went between two looks was vacant all along
            assert there == (told[name].term if name in told else None)


async def test_vacant_elections_are_forgotten_but_not_their_tokens(
    path: Path, backend: Sqlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await lead(backend, "kept")
    ended = await lead(backend, "ended")
    await backend.release(ended)
    await lead(backend, "orphaned", candidate="of a dead session")
    sql(path, "UPDATE incumbent_term SET session = 'gone' WHERE election = 'orphaned'")
    monkeypatch.setattr(sqlite_watch, "SWEEP", 0.02)
    async with build(path) as other, watching(other), asyncio.timeout(5):
        while len(found := sql(path, "SELECT election FROM incumbent_term")) > 1:
            await asyncio.sleep(0.01)
        assert found == [("kept",)]
        assert (await other.read("kept")).term == kept
        assert (await lead(other, "ended")).token > ended.token


async def test_a_file_deleted_or_replaced_while_in_use(path: Path, backend: Sqlite) -> None:
    """Otherwise two gateways would grant the same tokens in two files."""
    term = await lead(backend)
    watch = backend.watch()
    assert isinstance(await anext(watch), Snapshot)
    assert isinstance(await anext(watch), Synced)
    os.unlink(path)  # noqa: PTH108 no call worth a thread
    with pytest.raises(Unavailable, match="was deleted"):
        await asyncio.wait_for(anext(watch), 2)
    with pytest.raises(Rejected, match="was deleted"):
        await backend.renew([Claim("e", term.token)])
    async with build(path) as other:
        await lead(other)
        with pytest.raises(Rejected, match="was replaced"):
            await lead(backend, "new")
        with pytest.raises(Rejected, match="was replaced"):
            await backend.read("e")


async def test_leaving_ends_every_watch(path: Path) -> None:
    async with build(path) as backend:
        watch = backend.watch()
        assert isinstance(await anext(watch), Synced)
        waiting = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="has closed"):
        await waiting


def test_no_thread_and_no_connection_outlives_the_block(path: Path) -> None:
    async def leave_everything_open() -> None:
        backend = build(path)
        await backend.__aenter__()
        watch = backend.watch()
        await anext(watch)
        bids = [asyncio.create_task(lead(backend, f"e/{number}")) for number in range(50)]
        await asyncio.sleep(0.002)
        try:
            raise KeyError
        except KeyError:
            await backend.__aexit__(None, None, None)
        await asyncio.gather(*bids, return_exceptions=True)

    before = set(threading.enumerate())
    asyncio.run(leave_everything_open(), debug=True)
    gc.collect()
    assert set(threading.enumerate()) <= before


def test_a_loop_that_dies_in_the_middle_leaves_no_deadlock(path: Path) -> None:
    backend = build(path)

    async def crash() -> None:
        await backend.__aenter__()
        watch = backend.watch()
        await anext(watch)
        asyncio.get_running_loop().stop()
        await asyncio.sleep(3600)

    with pytest.raises(RuntimeError):
        asyncio.run(crash())
    sql(path, "DELETE FROM incumbent_session")  # news for a loop that is closed

    async def leave() -> None:
        await asyncio.wait_for(backend.__aexit__(None, None, None), 5)

    asyncio.run(leave())


async def test_a_busy_file_does_not_keep_a_watcher_busy(path: Path, backend: Sqlite) -> None:
    """Whole looks are paced, and the last change is told all the same."""
    for number in range(500):
        await lead(backend, f"e/{number}")
    async with build(path) as other, watching(other) as watch:
        looks = 0
        looked = sqlite_watch._Look._read_whole

        def count(look: sqlite_watch._Look) -> list[Snapshot]:
            nonlocal looks
            looks += 1
            return looked(look)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sqlite_watch._Look, "_read_whole", count)
            began = time.monotonic()
            while time.monotonic() - began < 1:
                await backend.release(await lead(backend))
        assert looks <= 2 * 5  # two threads look, at most four times a second each
        term = await lead(backend)
        await watch.until("e", term.token)
