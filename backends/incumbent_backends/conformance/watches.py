"""Laws of watch: the whole state, Synced, then every change, the latest state only."""

import asyncio
from collections.abc import Callable

from incumbent_backends.api import Snapshot, Synced, Term
from incumbent_backends.conformance.bids import (
    BOB,
    ELECTION,
    PATIENCE,
    bid,
    claim,
    watching,
    win,
    won,
)
from incumbent_backends.conformance.harness import Harness
from incumbent_backends.conformance.moves import move


class WatchLaws:
    """What a watch tells, to whom, and what it leaves out."""

    async def test_a_watch_of_nothing_is_synced(self, harness: Harness) -> None:
        async with watching(await harness.open()) as watch:
            assert await watch.next() == Synced()

    async def test_a_watch_begins_with_the_whole_state(self, harness: Harness) -> None:
        one, other = await harness.open(), await harness.open()
        terms = {f"e/{n}": await win((one, other)[n % 2], f"e/{n}") for n in range(6)}
        vacated = terms.pop("e/3")
        await other.release(vacated)
        async with watching(one) as watch:
            assert await watch.synced() == terms

    async def test_a_watch_tells_every_kind_of_change(self, harness: Harness) -> None:
        one, other = await harness.open(), await harness.open()
        async with watching(other) as watch:
            await watch.synced()
            term = await win(one)  # a name unheard of
            assert (await watch.until(ELECTION, bool)).term == term
            proclaimed = won(one, await bid(one, value=b"new", resume=term.token))
            assert (await watch.until(ELECTION, valued(b"new"))).term == proclaimed
            await one.release(proclaimed)
            await watch.vacant()
            again = await win(other, by=BOB)  # what this backend did itself is told as well
            assert (await watch.until(ELECTION, bool)).term == again

    async def test_a_watch_tells_a_move(self, harness: Harness) -> None:
        one, other = await harness.open(), await harness.open()
        term = await win(one)
        async with watching(one) as watch:
            await watch.synced()
            moved = await move(other, term)
            if moved is not None:
                told = await watch.until(ELECTION, lambda t: t is not None and t.attempt == 2)
                assert told.term == moved

    async def test_a_watch_tells_the_terms_of_a_dead_session(self, harness: Harness) -> None:
        dead, other = await harness.open(), await harness.open()
        elections = {f"e/{n}" for n in range(4)}
        for election in elections:
            await win(dead, election)
        async with watching(other) as watch:
            await watch.synced()
            await harness.expire(dead)
            vacated: set[str] = set()
            while vacated != elections:
                item = await watch.next()
                assert isinstance(item, Snapshot)
                assert item.term is None
                vacated.add(item.election)

    async def test_a_watch_tells_the_end_of_its_own_session(self, harness: Harness) -> None:
        backend = await harness.open()
        await win(backend)
        async with watching(backend) as watch:
            await watch.synced()
            await harness.end_session(backend.session)
            await watch.vacant()

    async def test_a_watch_tells_a_record_deleted_by_hand(self, harness: Harness) -> None:
        one, other = await harness.open(), await harness.open()
        term = await win(one)
        async with watching(one) as mine, watching(other) as theirs:
            for watch in (mine, theirs):
                assert await watch.synced() == {ELECTION: term}
            await harness.delete(ELECTION)
            for watch in (mine, theirs):
                await watch.vacant()

    async def test_a_watch_tells_the_latest_state_and_no_history(self, harness: Harness) -> None:
        one, other = await harness.open(), await harness.open()
        changes = 60
        async with watching(other) as watch:
            await watch.synced()
            term = await win(one)
            for n in range(changes):  # nobody reads the watch meanwhile
                await bid(one, value=str(n).encode(), resume=term.token)
            last = await watch.until(ELECTION, valued(str(changes - 1).encode()))
            assert last == await other.read(ELECTION)
            assert len(watch.told) < changes / 2

    async def test_a_watch_never_goes_back(self, harness: Harness) -> None:
        one, other = await harness.open(), await harness.open()
        async with watching(other) as watch:
            await watch.synced()
            reader = asyncio.create_task(watch.until("the/end", bool))
            for _ in range(30):
                await one.release(await win(one))
            await win(one, "the/end")
            await reader
        tokens = [told.term.token for told in watch.told if told.term and told.election == ELECTION]
        assert tokens == sorted(tokens)

    async def test_a_watch_is_silent_when_nothing_changed(self, harness: Harness) -> None:
        one, other = await harness.open(), await harness.open()
        term = await win(one)
        async with watching(other) as watch:
            await watch.synced()
            await bid(other, by=BOB)
            await bid(other, by=BOB, attempt=2, resume=term.token)
            await one.renew([claim(term)])
            await win(one, "next")
            item = await watch.next()
            assert isinstance(item, Snapshot)
            assert item.election == "next"

    async def test_watches_do_not_take_changes_from_each_other(self, harness: Harness) -> None:
        one, other = await harness.open(), await harness.open()
        async with watching(one) as a, watching(one) as b, watching(other) as c:
            for watch in (a, b, c):
                await watch.synced()
            term = await win(one)
            for watch in (a, b, c):
                assert (await watch.until(ELECTION, bool)).term == term
            await one.release(term)
            for watch in (a, b, c):
                await watch.vacant()

    async def test_a_watch_opened_again_lists_anew(self, harness: Harness) -> None:
        one, other = await harness.open(), await harness.open()
        kept, gone = await win(one, "kept"), await win(one, "gone")
        async with watching(other) as watch:
            assert await watch.synced() == {"kept": kept, "gone": gone}
        await one.release(gone)
        new = await win(one, "new")
        async with watching(other) as watch:
            assert await watch.synced() == {"kept": kept, "new": new}

    async def test_a_watch_sees_its_own_namespace_only(self, harness: Harness) -> None:
        here = await harness.open()
        there = await harness.open(namespace=harness.namespace + "-other")
        await win(there, "before")
        async with watching(here) as watch:
            assert await watch.synced() == {}
            await win(there, "after")
            await win(here, "mine")
            item = await watch.next()
            assert isinstance(item, Snapshot)
            assert item.election == "mine"

    async def test_a_waiting_watch_can_be_cancelled(self, harness: Harness) -> None:
        backend = await harness.open()
        watch = backend.watch()
        assert await anext(watch) == Synced()
        waiting = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
        waiting.cancel()
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([waiting])
            await watch.aclose()
        await win(backend)
        async with watching(backend) as anew:
            assert ELECTION in await anew.synced()


def valued(value: bytes) -> Callable[[Term | None], bool]:
    """Make a condition: led, with this value."""
    return lambda term: term is not None and term.value == value
