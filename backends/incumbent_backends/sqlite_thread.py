"""A thread with a connection of its own: blocking work on a SQLite file, asked for from a loop."""

import asyncio
import itertools
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future
from enum import IntEnum
from queue import PriorityQueue
from threading import Lock, Thread
from typing import NamedTuple, TypeVar

from incumbent_backends.api import Rejected, Unavailable
from incumbent_backends.sqlite_file import BUSY_SECONDS, SqliteFile, is_busy

T = TypeVar("T")

LEAST_PATIENCE = 0.02
# SQLite's own waiting naps up to 100 ms and so rarely meets a busy writer's short pauses.
NAP = 0.001


class Rank(IntEnum):
    """What goes first."""

    URGENT = 0  # renewals, and the ends of dead sessions
    ORDINARY = 1
    LAST = 2  # the end of the thread


class _Order(NamedTuple):
    rank: Rank
    number: int
    asked: float
    run: Callable[[float], None] | None  # given the patience left; None ends the thread


class SqliteThread:
    """Runs jobs one at a time, first come first served within a rank.

    A job whose future is cancelled before it began is dropped; once begun it runs to its end, and
    later jobs come after it. Where another program holds the lock, a job is tried again for about
    a second. Errors of SQLite reach the caller translated.
    """

    def __init__(self, file: SqliteFile, role: str, *, read_only: bool) -> None:
        self._file = file
        self._read_only = read_only
        self._queue: PriorityQueue[_Order] = PriorityQueue()
        self._numbers = itertools.count()
        self._closing = Lock()
        self._stopped = False
        self._ended: Future[None] = Future()
        self._connection: sqlite3.Connection | None = None
        self._hindered = 0.0  # when a lock was last not to be had
        self._thread = Thread(target=self._serve, name=f"incumbent-sqlite-{role}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(
        self, job: Callable[[sqlite3.Connection], T], rank: Rank = Rank.ORDINARY
    ) -> Future[T]:
        """Queue a job, from any thread. Unavailable: the thread is not running."""
        future: Future[T] = Future()

        def run(patience: float) -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(self._attempt(job, patience))
                except BaseException as error:  # noqa: BLE001 it belongs to who asked
                    future.set_exception(error)

        with self._closing:
            if self._stopped or self._thread.ident is None:
                raise Unavailable(f"this gateway does not have {self._file} open")
            self._put(rank, run)
        return future

    async def run(self, job: Callable[[sqlite3.Connection], T], rank: Rank = Rank.ORDINARY) -> T:
        """Queue a job and await it. Cancelling drops it if it has not begun."""
        return await asyncio.wrap_future(self.submit(job, rank))

    def stop(self) -> None:
        """End the thread after all that is queued, and its connection with it. Idempotent."""
        with self._closing:
            if not self._stopped:
                self._stopped = True
                self._put(Rank.LAST, None)

    async def ended(self) -> None:
        """Await the end of the thread after stop()."""
        if self._thread.ident is not None:
            await asyncio.shield(asyncio.wrap_future(self._ended))
            self._thread.join()

    def _put(self, rank: Rank, run: Callable[[float], None] | None) -> None:
        self._queue.put(_Order(rank, next(self._numbers), time.monotonic(), run))

    def _serve(self) -> None:
        while (order := self._queue.get()).run is not None:
            order.run(self._patience_for(order.asked))
            del order  # nothing of a finished job may live until the next one comes
        self._drop_connection()
        self._ended.set_result(None)

    def _patience_for(self, asked: float) -> float:
        """Who was already waiting when the lock was not to be had has waited for it too.

        So behind a locked file all fail together, not each a second after the other.
        """
        if asked > self._hindered:
            return BUSY_SECONDS
        return max(LEAST_PATIENCE, asked + BUSY_SECONDS - time.monotonic())

    def _attempt(self, job: Callable[[sqlite3.Connection], T], patience: float) -> T:
        """Do a job, again and again while another program holds the lock.

        A job may be done again: SQLite is busy only where a transaction begins.
        """
        give_up = time.monotonic() + patience
        while True:
            try:
                return self._once(job)
            except sqlite3.Error as error:
                if not is_busy(error):
                    raise self._file.translate(error) from error
                if time.monotonic() >= give_up:
                    self._hindered = time.monotonic()
                    raise self._file.translate(error) from error
            except (ValueError, TypeError, OverflowError) as error:
                raise Rejected(f"{self._file} holds a row that no gateway wrote") from error
            time.sleep(NAP)

    def _once(self, job: Callable[[sqlite3.Connection], T]) -> T:
        self._file.verify()
        try:
            if self._connection is None:
                self._connection = self._file.connect(read_only=self._read_only, patience=0)
            return job(self._connection)
        finally:
            if self._connection is not None and self._connection.in_transaction:
                self._drop_connection()  # even rolling back failed

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
