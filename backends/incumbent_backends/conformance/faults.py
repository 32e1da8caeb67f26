"""Laws that hold when the store cannot be reached, a call is cancelled, or a marker differs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from incumbent_backends.api import Backend, Claim, Expiry, Rejected, Term, Unavailable
from incumbent_backends.conformance.bids import (
    ANN,
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
from incumbent_backends.conformance.terms import named

T = TypeVar("T")
Verb = Callable[[Backend, Term], Awaitable[object]]
VERBS: dict[str, Verb] = {
    "renew": lambda backend, term: backend.renew([claim(term)]),
    "acquire": lambda backend, _: bid(backend, "another", by=BOB),
    "resume": lambda backend, term: bid(backend, attempt=2, value=b"late", resume=term.token),
    "release": lambda backend, term: backend.release(term),
    "read": lambda backend, _: backend.read(ELECTION),
}


class FaultLaws:
    """A lost answer is Unavailable, never a wrong one, and the backend works on afterwards."""

    @pytest.mark.parametrize("verb", VERBS)
    async def test_a_verb_that_cannot_reach_the_store_is_unavailable(
        self, harness: Harness, verb: str
    ) -> None:
        backend, other = await harness.open(), await harness.open()
        term = await win(backend)
        await harness.cut(backend)
        with pytest.raises(Unavailable):
            async with asyncio.timeout(PATIENCE):
                await VERBS[verb](backend, term)
        assert (await other.read("another")).term is None  # and it granted nothing
        if other.limits.expiry is Expiry.LEASE:
            assert (await other.read(ELECTION)).term == term

    async def test_a_healed_backend_works_on(self, harness: Harness) -> None:
        backend = await harness.open()
        term = await win(backend)
        await harness.cut(backend)
        with pytest.raises(Unavailable):
            async with asyncio.timeout(PATIENCE):
                await backend.renew([claim(term)])
        await harness.heal(backend)
        await eventually(lambda: backend.renew([claim(term)]))
        if backend.limits.expiry is Expiry.LEASE:
            assert (await backend.read(ELECTION)).term == term
        await win(backend, "next")

    async def test_others_lead_on_while_one_is_cut_off(self, harness: Harness) -> None:
        cut, other = await harness.open(), await harness.open()
        await win(cut, "theirs")
        await harness.cut(cut)
        term = await win(other)
        assert (await other.renew([claim(term)])).survivors == {claim(term)}

    async def test_a_session_that_dies_while_cut_off_comes_back_empty(
        self, harness: Harness
    ) -> None:
        cut, other = await harness.open(), await harness.open()
        term = await win(cut)
        await harness.cut(cut)
        await harness.expire(cut)
        successor = await win(other, by=BOB)
        await harness.heal(cut)
        renewal = await eventually(lambda: cut.renew([claim(term)]))
        assert renewal.survivors == frozenset()
        assert (await cut.read(ELECTION)).term == successor

    async def test_a_watch_misses_nothing_over_a_cut(self, harness: Harness) -> None:
        cut, other = await harness.open(), await harness.open()
        gone = await win(other, "gone")
        async with watching(cut) as watch:
            await watch.synced()
            await harness.cut(cut)
            await other.release(gone)
            term = await win(other)
            await harness.heal(cut)
            try:
                await watch.vacant("gone")
            except Unavailable:  # it may end; then another one, opened by the core, tells all
                async with watching(cut) as anew:
                    assert await anew.synced() == {ELECTION: term}

    @pytest.mark.parametrize("verb", VERBS)
    async def test_a_cancelled_verb_leaves_the_backend_usable(
        self, harness: Harness, verb: str
    ) -> None:
        backend, other = await harness.open(), await harness.open()
        for steps in range(6):
            term = await win(backend)
            await cancel_after(steps, VERBS[verb](backend, term))
            await usable(backend, other)
            # Its outcome is unknown, but one of two: asking again settles it.
            await settle(backend, ELECTION, by=ANN)
            await settle(backend, "another", by=BOB)

    async def test_cancelled_bids_never_make_two_leaders(self, harness: Harness) -> None:
        backends = [await harness.open() for _ in range(4)]
        for steps in range(8):
            bids = (cancel_after(steps % 4, bid(b, by=f"{n:064x}")) for n, b in enumerate(backends))
            await asyncio.gather(*bids)
            after = [await bid(b, by=f"{n:064x}") for n, b in enumerate(backends)]
            winners = {(s.term.session, s.term.token) for s in after if s.term is not None}
            assert len(winners) == 1
            leader = after[0].term
            assert leader is not None
            await named(backends, leader.session).release(leader)

    async def test_another_mechanism_in_the_namespace_is_refused(self, harness: Harness) -> None:
        await harness.leave(await harness.open())
        stranger = await harness.tamper_marker()
        with pytest.raises(Rejected) as refusal:
            await harness.open()
        assert stranger in str(refusal.value)


async def cancel_after(steps: int, verb: Awaitable[object]) -> None:
    """Cancel a call that has had so many turns of the loop; it may have ended before."""
    task = asyncio.ensure_future(verb)
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()


async def usable(backend: Backend, other: Backend) -> None:
    """Insist that every verb works, and that the other session sees it."""
    term = await win(backend, "usable")
    unsettled = [Claim(ELECTION, None), Claim("another", None)]
    await backend.renew([claim(term), *unsettled])
    assert (await other.read("usable")).term == term
    await backend.release(term)
    assert (await backend.read("usable")).term is None


async def settle(backend: Backend, election: str, *, by: str) -> None:
    """Win and release until it is vacant: a cancelled call may land late, between the two."""
    async with asyncio.timeout(PATIENCE):
        while True:
            await backend.release(won(backend, await bid(backend, election, by=by), by=by))
            if (await backend.read(election)).term is None:
                return


async def eventually(call: Callable[[], Awaitable[T]]) -> T:
    """Repeat a call that may still be Unavailable for a moment, as the core does."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await call()
            except Unavailable:
                await asyncio.sleep(0.01)
