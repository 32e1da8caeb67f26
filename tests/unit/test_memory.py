"""What only the reference driver shows: its clockless expiry to the instant, and its network."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import pytest

from incumbent_backends.api import Claim, Options, Snapshot, Unavailable
from incumbent_backends.conformance import FakeClock
from incumbent_backends.memory import Call, Memory, MemoryStore

T = TypeVar("T")
TTL = 10.0


class Network(MemoryStore):
    """Delays what it is told to, on either side of the step; a caller's cancel stops no step."""

    def __init__(self) -> None:
        super().__init__()
        self.late: dict[str, asyncio.Event] = {}  # verb: when its step may be taken
        self.lost: set[str] = set()  # verbs whose answer does not come back

    async def perform(self, call: Call, step: Callable[[], T]) -> T:
        answer = await asyncio.shield(asyncio.ensure_future(self._take(call.verb, step)))
        if call.verb in self.lost:
            raise Unavailable("the answer was lost")
        return answer

    async def _take(self, verb: str, step: Callable[[], T]) -> T:
        if verb in self.late:
            await self.late[verb].wait()
        return step()


@pytest.fixture
def store() -> Network:
    return Network()


def build(store: MemoryStore, clock: FakeClock | None = None, ttl: float = TTL) -> Memory:
    return Memory.on(store, Options("n", timedelta(seconds=ttl), clock or FakeClock()))


def bid(
    backend: Memory, by: str = "ann", attempt: int = 1, resume: int | None = None
) -> Awaitable[Snapshot]:
    return backend.acquire("e", holder=by, attempt=attempt, candidate=by, value=None, resume=resume)


async def turns(count: int = 50) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
async def watcher(store: Network) -> AsyncIterator[FakeClock]:
    """The clock of somebody who watches all the time."""
    clock = FakeClock()

    async def drain(backend: Memory) -> None:
        async for _ in backend.watch():
            pass

    async with build(store, clock) as backend:
        watch = asyncio.create_task(drain(backend))
        await turns()
        yield clock
        watch.cancel()
        await asyncio.wait([watch])


async def pass_time(clock: FakeClock, seconds: float) -> None:
    """In small steps, as time does."""
    for _ in range(round(seconds / 0.05)):
        clock.advance(0.05)
        await turns(5)


async def test_a_silent_session_lives_its_ttl_and_dies_soon_after(
    store: Network, watcher: FakeClock
) -> None:
    async with build(store) as backend:
        await bid(backend)
        await turns()
        await pass_time(watcher, TTL)
        assert (await backend.read("e")).term is not None
        await pass_time(watcher, TTL * 0.02 + 0.25 + 0.1)
        assert (await backend.read("e")).term is None


class Prompt(MemoryStore):
    """Answers within the call, as the memory store of a real gateway does."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()  # by verb

    async def perform(self, call: Call, step: Callable[[], T]) -> T:
        self.asked[call.verb] += 1
        return step()


async def test_a_watch_that_was_woken_rests_again() -> None:
    """What ended its rest early must not end the next one too, and so on for ever."""
    store = Prompt()
    async with build(store) as backend:
        await backend.renew(())

        async def watch() -> None:
            async for _ in backend.watch():
                pass

        watching = asyncio.create_task(watch())
        await turns()
        await bid(backend)
        await turns()
        before = store.asked["watch"]
        await turns(500)
        assert store.asked["watch"] == before
        watching.cancel()
        await asyncio.wait([watching])


async def test_a_renewed_session_lives_on(store: Network, watcher: FakeClock) -> None:
    async with build(store) as backend:
        term = (await bid(backend)).term
        assert term is not None
        for _ in range(10):
            await pass_time(watcher, TTL / 3)
            assert (await backend.renew([Claim("e", term.token)])).survivors
        await pass_time(watcher, TTL)
        assert (await backend.read("e")).term == term


async def test_a_renewal_that_comes_before_the_end_saves_the_session(
    store: Network, watcher: FakeClock
) -> None:
    async with build(store) as backend:
        term = (await bid(backend)).term
        assert term is not None
        await turns()
        store.late["expire"] = asyncio.Event()
        await pass_time(watcher, TTL * 1.02 + 1)  # it is being ended
        await backend.renew([Claim("e", term.token)])
        store.late.pop("expire").set()
        await turns()
        assert (await backend.read("e")).term == term


async def test_a_moved_term_lives_as_long_as_it_was_promised(
    store: Network, watcher: FakeClock
) -> None:
    async with build(store, ttl=60) as long, build(store, ttl=2) as short:
        term = (await bid(long)).term
        assert term is not None
        moved = (await bid(short, attempt=2, resume=term.token)).term
        assert moved is not None
        await short.renew([Claim("e", term.token)])  # for its own two seconds: takes nothing back
        await turns()
        await pass_time(watcher, 59)
        assert (await long.read("e")).term == moved
        await pass_time(watcher, 4)
        assert (await long.read("e")).term is None


async def test_good_until_counts_from_the_beginning_of_the_call(store: Network) -> None:
    clock = FakeClock()
    async with build(store, clock) as backend:
        store.late["renew"] = asyncio.Event()
        began = clock.now()
        renewal = asyncio.create_task(backend.renew([]))
        await turns()
        clock.advance(4)
        store.late["renew"].set()
        assert (await renewal).good_until == began + TTL


async def test_an_acquire_that_was_cancelled_may_land_late(store: Network) -> None:
    async with build(store) as backend, build(store) as other:
        store.late["acquire"] = asyncio.Event()
        call = asyncio.ensure_future(bid(backend))
        await turns()
        call.cancel()
        await turns()
        assert (await other.read("e")).term is None
        store.late.pop("acquire").set()
        await turns()
        assert (await other.read("e")).term is not None  # a ghost, until somebody leaves it out
        await backend.renew([])
        assert (await other.read("e")).term is None


async def test_an_acquire_that_lands_after_its_session_died_wins_nothing(store: Network) -> None:
    async with build(store) as backend:
        store.late["acquire"] = asyncio.Event()
        call = asyncio.ensure_future(bid(backend))
        await turns()
        store.space("n").end_session(backend.session)
        await backend.renew([])  # on a new session already
        store.late["acquire"].set()
        with pytest.raises(Unavailable):
            await call
        assert (await backend.read("e")).term is None


async def test_a_lost_answer_is_healed_by_asking_again(store: Network) -> None:
    async with build(store) as backend:
        store.lost.add("acquire")
        with pytest.raises(Unavailable):
            await bid(backend)
        store.lost.clear()
        before = await backend.read("e")
        assert before.term is not None
        assert await bid(backend) == before


async def test_a_renewal_that_lands_late_ends_only_what_hung_when_it_began(store: Network) -> None:
    async with build(store) as one, build(store) as other:
        term = (await bid(one)).term
        assert term is not None
        store.late["renew"] = asyncio.Event()
        renewal = asyncio.create_task(one.renew([]))
        await turns()
        await bid(other, attempt=2, resume=term.token)
        back = await bid(one, attempt=3, resume=term.token)  # away and back: acquired anew
        store.late["renew"].set()
        await renewal
        assert await one.read("e") == back


async def test_leaving_while_cut_off_leaves_quietly(store: Network) -> None:
    async with build(store) as backend:
        await bid(backend)
        store.lost.add("leave")
