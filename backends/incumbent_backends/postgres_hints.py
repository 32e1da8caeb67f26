"""Hints to the other gateways (NOTIFY): which elections have changed. One may be lost.

Sent after the change has been committed and not with it: a transaction that notifies takes a lock
of the whole cluster until its commit is on disk. What changed meanwhile goes out together.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256

from incumbent_backends.api import BackendError
from incumbent_backends.postgres_lane import Lanes
from incumbent_backends.postgres_rows import rows
from incumbent_backends.postgres_server import Connection

SESSIONS = ""  # the hint that a session has ended


def channel(namespace: str) -> str:
    """The channel of a namespace; a name of it would be too long for PostgreSQL at times."""
    return f"incumbent_{sha256(namespace.encode()).hexdigest()[:16]}"


class Hints:
    """Sends hints in the background, from start() to close()."""

    def __init__(self, lanes: Lanes, namespace: str) -> None:
        self._lanes = lanes
        self._channel = channel(namespace)
        self._due: set[str] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._serve())

    def tell(self, hints: Iterable[str]) -> None:
        """Send these soon."""
        self._due.update(hints)
        self._wake.set()

    async def close(self) -> None:
        """Send what is due and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._send()

    async def _serve(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._send()

    async def _send(self) -> None:
        hints, self._due = list(self._due), set()
        if not hints:
            return

        async def notify(db: Connection) -> None:
            await rows(db, "notify", {"channel": self._channel, "hints": hints})

        with suppress(BackendError):  # a hint; the slow poll finds it
            await self._lanes.run(notify)
