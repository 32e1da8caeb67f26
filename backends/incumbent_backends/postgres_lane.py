"""Connections in use: a lane is one, made when needed and made anew when it broke.

    renewals ──► a lane of their own ──►┐
    verbs    ──► the next free lane  ──►├── PostgreSQL
    watch    ──► its own connection  ──►┘

So a hundred callers that queue for the lanes delay no renewal. See docs/adr/0024.
"""

import asyncio
import select
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import psycopg

from incumbent_backends.postgres_server import Connection, Server

T = TypeVar("T")
Job = Callable[[Connection], Coroutine[Any, Any, T]]


class Lane:
    """One connection, for one job at a time, first come first served."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._turn = asyncio.Lock()
        self._connection: Connection | None = None

    async def run(self, job: Job[T]) -> T:
        """Do a job on the connection. Raises BackendError; a cancelled job's outcome is unknown."""
        async with self._turn:
            if self._connection is None or not _quiet(self._connection):
                self._drop()
                self._connection = await self._server.connect()
            try:
                return await self._server.ask(self._connection, job(self._connection))
            except psycopg.Error as error:
                raise self._server.translate(error) from error
            finally:
                if not self._server.fit(self._connection):
                    self._drop()

    async def close(self) -> None:
        """Let the running job end, then close."""
        async with self._turn:
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._server.discard(connection)


class Lanes:
    """At most so many lanes; who finds none free waits for one, first come first served."""

    def __init__(self, server: Server, count: int) -> None:
        self._server = server
        self._places = asyncio.Semaphore(count)
        self._free: list[Lane] = []  # the one used last is used next: quiet gateways need one

    async def run(self, job: Job[T]) -> T:
        """Do a job on a free lane. Raises as Lane.run."""
        async with self._places:
            lane = self._free.pop() if self._free else Lane(self._server)
            try:
                return await lane.run(job)
            finally:
                self._free.append(lane)

    async def close(self) -> None:
        """Close what is free; whoever still runs is no longer awaited by anybody."""
        while self._free:
            await self._free.pop().close()


def _quiet(connection: Connection) -> bool:
    """Whether nothing waits to be read: the server says something only when it ends us."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
