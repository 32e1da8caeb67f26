"""The one connection whose life is a session's: its locks are held as long as it stands.

    renewals ──────────────────►┐
    bids, releases ──► a line ──►┴── one job at a time, each to its end ──► PostgreSQL
    watched between jobs: when the server ends it, that is known at once

Who is cancelled leaves; the job goes on, so that its answer is read where the protocol has it, and
learns that nobody waits (`Call.left`). The connection is given up only when an answer is not there
by the instant until which the session was promised: until then the locks are good.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import psycopg
from psycopg.pq import ConnStatus

from incumbent_backends.api import Clock, Unavailable
from incumbent_backends.postgres_server import ANSWER, Connection, Server

T = TypeVar("T")

LEAST = 0.5  # seconds for a job that begins when the promise has run out already


class Call:
    """One call of a verb; `left` once its caller was cancelled."""

    left = False


LockJob = Callable[[Connection, Call], Coroutine[Any, Any, T]]


class LockLane:
    """The connection, from a job that opens it until it breaks or close(). `over` is told of that.

    `parameters` are libpq's. `good_until` is the instant until which its session was promised.
    """

    def __init__(
        self, server: Server, clock: Clock, parameters: Mapping[str, str], over: Callable[[], None]
    ) -> None:
        self.good_until = 0.0
        self._server = server
        self._clock = clock
        self._parameters = parameters
        self._over = over
        self._turn = asyncio.Lock()
        self._line = asyncio.Lock()  # one of those in it waits for its turn
        self._connection: Connection | None = None
        self._watched = -1  # its socket, while no job is under way
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def stands(self) -> bool:
        return self._connection is not None

    async def run(self, job: LockJob[T]) -> T:
        """Do a job in its turn. Raises BackendError; a cancelled one's outcome is unknown."""
        return await self._await(lambda call: self._queue(call, job))

    async def renew(self, job: LockJob[T], opening: LockJob[T]) -> T:
        """Do a job before all that queue; `opening` instead, where a new connection must be made.

        Raises as `run`.
        """
        return await self._await(lambda call: self._serve(call, job, opening))

    async def _await(self, serve: Callable[[Call], Coroutine[Any, Any, T]]) -> T:
        call = Call()
        task = asyncio.create_task(serve(call))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            call.left = True
            raise
        return task.result()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # perhaps nobody is left to hear it

    async def _queue(self, call: Call, job: LockJob[T]) -> T:
        async with self._line:
            return await self._serve(call, job, None)

    async def _serve(self, call: Call, job: LockJob[T], opening: LockJob[T] | None) -> T:
        async with self._turn:
            if call.left:
                raise Unavailable("nobody waits for this any more")
            if self._connection is not None:
                self._unwatch()
                patience = max(LEAST, self.good_until - self._clock.now())
                return await self._talk(self._connection, job(self._connection, call), patience)
            if opening is None:
                raise Unavailable("this gateway's session in PostgreSQL has ended")
            connection = await self._server.connect(self._parameters)
            return await self._talk(connection, opening(connection, call), ANSWER)

    async def _talk(
        self, connection: Connection, work: Coroutine[Any, Any, T], patience: float
    ) -> T:
        kept = False
        try:
            result = await self._server.ask(connection, work, patience)
            kept = True
            return result
        except psycopg.Error as error:
            raise self._server.translate(error) from error
        finally:
            # A new one is kept if its first job succeeded, a known one as long as it stands.
            known = connection is self._connection
            if self._server.fit(connection) and (kept or known):
                self._connection = connection
                self._watch(connection)
            elif known:
                self._give_up(connection)
            else:
                self._server.discard(connection)

    def _watch(self, connection: Connection) -> None:
        self._watched = connection.fileno()
        asyncio.get_running_loop().add_reader(self._watched, self._look, connection)

    def _unwatch(self) -> None:
        asyncio.get_running_loop().remove_reader(self._watched)

    def _look(self, connection: Connection) -> None:
        """Something is to be read while nobody has asked: a word of the server, or its end."""
        with suppress(psycopg.Error):
            connection.pgconn.consume_input()
            connection.pgconn.notifies()  # takes in what is no end, as a changed setting
        if connection.pgconn.status is not ConnStatus.OK:
            self._unwatch()
            self._give_up(connection)

    def _give_up(self, connection: Connection) -> None:
        self._connection = None
        self._server.discard(connection)
        self._over()

    async def close(self) -> None:
        """End what is under way and close."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._connection is not None:
            self._unwatch()
            self._server.discard(self._connection)
            self._connection = None
