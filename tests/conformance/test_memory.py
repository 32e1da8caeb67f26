"""The reference driver keeps the laws, and its store misbehaves as tests ask it to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from datetime import timedelta
from typing import TypeVar

import pytest
from hypothesis import settings

from incumbent_backends.api import Backend, Options, Unavailable
from incumbent_backends.conformance import BackendConformance, BackendMachine, FakeClock, Harness
from incumbent_backends.memory import Call, Memory, MemoryStore, Space

STORE = "memory"
T = TypeVar("T")


class CutStore(MemoryStore):
    """A store that some backends cannot reach."""

    def __init__(self) -> None:
        super().__init__()
        self.cut: set[Backend] = set()

    async def perform(self, call: Call, step: Callable[[], T]) -> T:
        if call.backend in self.cut:
            raise Unavailable("cut off")
        return step()


class MemoryHarness(Harness):
    moves_terms = True

    def __init__(self) -> None:
        super().__init__()
        self.store = CutStore()

    @property
    def space(self) -> Space:
        return self.store.space(self.namespace)

    def build(self, *, namespace: str, backend_ttl: timedelta) -> Memory:
        # A clock that stands still each: for them no time passes unless a test says so.
        options = Options(namespace, backend_ttl, FakeClock())
        return Memory.on(self.store, options, moves_terms=self.moves_terms)

    async def expire(self, backend: Backend) -> None:
        session, clock = backend.session, FakeClock()
        options = Options(self.namespace, self.backend_ttl, clock)
        async with Memory.on(self.store, options) as undertaker:
            watch = asyncio.create_task(drain(undertaker))
            await until(lambda: clock.sleepers > 0)  # it has seen everybody
            silence = self.space.sessions[session].backend_ttl.total_seconds() * 1.02
            for name in set(self.space.sessions) - {session}:
                self.space.renew_session(name)
            clock.advance(silence)
            await until(lambda: session not in self.space.sessions)
            watch.cancel()
            await asyncio.wait([watch])

    async def cut(self, backend: Backend) -> None:
        self.store.cut.add(backend)

    async def heal(self, backend: Backend) -> None:
        self.store.cut.discard(backend)

    async def delete(self, election: str) -> None:
        self.space.delete(election)

    async def end_session(self, session: str) -> None:
        self.space.end_session(session)

    async def living_sessions(self) -> Collection[str]:
        return list(self.space.sessions)

    async def tamper_marker(self) -> str:
        self.space.marker = "abacus, layout 7"
        return str(self.space.marker)


class SessionLockHarness(MemoryHarness):
    """The same, as a store that cannot move terms and whose terms end with close."""

    moves_terms = False


async def drain(backend: Backend) -> None:
    async for _ in backend.watch():
        pass


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to this")


class TestMemory(BackendConformance):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        async with MemoryHarness() as harness:
            yield harness


class TestMemoryThatMovesNothing(BackendConformance):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        async with SessionLockHarness() as harness:
            yield harness


class MemoryMachine(BackendMachine):
    def build_harness(self) -> Harness:
        return MemoryHarness()


class SessionLockMachine(BackendMachine):
    def build_harness(self) -> Harness:
        return SessionLockHarness()


MACHINE = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestMemoryMachine = MemoryMachine.TestCase
TestMemoryMachine.settings = MACHINE
TestMemoryMachineThatMovesNothing = SessionLockMachine.TestCase
TestMemoryMachineThatMovesNothing.settings = MACHINE
