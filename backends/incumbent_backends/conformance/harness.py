"""What the suite needs of a store beside the seam: opening, and doing harm to it."""

import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import Collection
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Self

from incumbent_backends.api import Backend

__all__ = ["FakeClock", "Harness"]


class FakeClock:
    """A Clock that moves only when told to."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        entry = (self._now + seconds, woken)
        self._sleepers.append(entry)
        try:
            await woken
        finally:
            self._sleepers.remove(entry)

    @property
    def sleepers(self) -> int:
        """How many sleep now: above 0 the code under test waits for time to pass."""
        return sum(not woken.done() for _, woken in self._sleepers)

    def advance(self, seconds: float) -> None:
        self._now += seconds
        for due, woken in self._sleepers:
            if due <= self._now and not woken.done():
                woken.set_result(None)


class Harness(ABC):
    """One store of its own, or a namespace of its own in a shared one; fresh for every test.

    Time is a verb here, never a sleep: `expire` makes one silent session dead for all others.
    """

    backend_ttl = timedelta(seconds=15)

    def __init__(self) -> None:
        self.namespace = f"conformance-{secrets.token_hex(6)}"
        self._stack = AsyncExitStack()
        self._open: set[Backend] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Heal and leave every session. A subclass ends its store after that."""
        for backend in list(self._open):
            await self.heal(backend)
            await self.leave(backend)

    async def open(
        self, *, backend_ttl: timedelta | None = None, namespace: str | None = None
    ) -> Backend:
        """Open one more session on the store."""
        backend = self.build(
            namespace=namespace or self.namespace, backend_ttl=backend_ttl or self.backend_ttl
        )
        await backend.__aenter__()
        self._open.add(backend)
        return backend

    async def leave(self, backend: Backend) -> None:
        """Leave a session as its `async with` would."""
        self._open.discard(backend)
        await backend.__aexit__(None, None, None)

    @abstractmethod
    def build(self, *, namespace: str, backend_ttl: timedelta) -> Backend:
        """Construct the driver on this harness's store, without opening it."""

    @abstractmethod
    async def expire(self, backend: Backend) -> None:
        """Let this session die of silence, and no other; return when the store has it dead.

        By the driver's own means of expiry wherever that is possible without sleeping the ttl.
        """

    @abstractmethod
    async def cut(self, backend: Backend) -> None:
        """Part this backend from the store: none of its calls arrives any more."""

    @abstractmethod
    async def heal(self, backend: Backend) -> None:
        """Undo `cut`; nothing to undo is no error."""

    @abstractmethod
    async def delete(self, election: str) -> None:
        """Delete the election's record from the store by hand, in `self.namespace`."""

    @abstractmethod
    async def end_session(self, session: str) -> None:
        """End the session of this name in the store by hand, in `self.namespace`."""

    @abstractmethod
    async def living_sessions(self) -> Collection[str]:
        """Name the sessions that live in the store, in `self.namespace`."""

    @abstractmethod
    async def tamper_marker(self) -> str:
        """Overwrite the marker of `self.namespace` with another mechanism's; return its text."""
