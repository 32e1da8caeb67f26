"""Store: the deadline of a call counts the store's own time, not the crowd before it."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from incumbent_backends.api import Options, Snapshot, Term
from incumbent_backends.memory import Call, Memory, MemoryStore
from incumbent_server.candidacy import Acquire
from incumbent_server.reasons import Reason
from incumbent_server.session import Standing
from incumbent_server.store import ACQUIRES, Store
from tests.simulation.loop import SimLoop
from tests.simulation.world import SimWorld

T = TypeVar("T")
BACKEND_TTL = 3.0
SYNC = 0.02  # seconds: a slow disk


class SlowDisk(MemoryStore):
    """Does one thing at a time, as a driver with one thread, and tells how many have to wait."""

    def __init__(self) -> None:
        super().__init__()
        self._disk = asyncio.Lock()
        self.asked = 0
        self.most = 0

    async def perform(self, call: Call, step: Callable[[], T]) -> T:
        self.asked += 1
        self.most = max(self.most, self.asked)
        try:
            async with self._disk:
                await asyncio.sleep(SYNC)
                return step()
        finally:
            self.asked -= 1


class Deaf:
    """A witness that notes nothing."""

    def won(self, term: Term, *, resumed: bool) -> None: ...
    def gone(self, term: Term, reason: Reason | None) -> None: ...
    def standing(self, standing: Standing) -> None: ...
    def called(self, verb: str, outcome: str, seconds: float) -> None: ...
    def trouble(self, verb: str, error: Exception, now: float) -> None: ...


def play(story: Callable[[SimLoop, SlowDisk, Store], Coroutine[Any, Any, None]]) -> None:
    """Run `story` in virtual time."""
    loop = SimLoop()

    async def playing() -> None:
        world = SimWorld(loop, random.Random(1), rate=1.0)
        disk = SlowDisk()
        options = Options("incumbent", timedelta(seconds=BACKEND_TTL), world)
        async with Memory.on(disk, options) as backend:
            store = Store(backend, BACKEND_TTL / 3, world, Deaf())
            await store.renew([])
            await story(loop, disk, store)

    loop.run(playing())


def bid(store: Store, number: int) -> "asyncio.Task[Snapshot]":
    wish = Acquire(f"holder-{number}", 1, "candidate", b"", None)
    return asyncio.create_task(store.acquire(f"election-{number}", wish))


def test_200_bids_at_once_on_a_slow_disk_all_win() -> None:
    async def story(loop: SimLoop, disk: SlowDisk, store: Store) -> None:
        began = loop.time()
        won = await asyncio.gather(*(bid(store, number) for number in range(200)))
        assert loop.time() - began > BACKEND_TTL / 3  # longer than any one of them may take
        assert all(snapshot.term is not None for snapshot in won)
        assert disk.most == ACQUIRES

    play(story)


def test_a_release_a_read_and_a_renewal_pass_by_the_bids_that_wait() -> None:
    async def story(loop: SimLoop, disk: SlowDisk, store: Store) -> None:
        term = (await bid(store, 0)).term
        assert term is not None
        bids = [bid(store, number) for number in range(1, 200)]
        await asyncio.sleep(SYNC / 2)  # the first are under way
        began = loop.time()
        await asyncio.gather(store.release(term), store.read(term.election), store.renew([]))
        assert loop.time() - began < (ACQUIRES + 4) * SYNC
        assert not bids[-1].done()
        await asyncio.gather(*bids)

    play(story)


def test_a_bid_that_is_given_up_makes_room() -> None:
    async def story(loop: SimLoop, disk: SlowDisk, store: Store) -> None:
        bids = [bid(store, number) for number in range(200)]
        await asyncio.sleep(SYNC / 2)
        for given_up in bids[:-1]:
            given_up.cancel()
        began = loop.time()
        assert (await bids[-1]).term is not None
        assert loop.time() - began < 3 * SYNC

    play(story)
