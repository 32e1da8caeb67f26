"""A thread with a connection of its own: blocking work on a SQLite file, asked for from a loop.

What several callers wait to have written is one transaction, with one sync to disk for all of them:

    queue ─► urgent: alone
          ─► ordinary, several of them ─► one transaction ─► told, each its own result
                                                │ fails: nothing of it happened
                                                └─► each in a transaction of its own
"""

import asyncio
import itertools
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from queue import PriorityQueue
from threading import Lock, Thread
from typing import Any, TypeVar

from incumbent_backends.api import Rejected, Unavailable
from incumbent_backends.sqlite_file import BUSY_SECONDS, SqliteFile, is_busy

T = TypeVar("T")

LEAST_PATIENCE = 0.02
# SQLite's own waiting naps up to 100 ms and so rarely meets a busy writer's short pauses.
NAP = 0.001
# Jobs in one transaction: they hold the file's lock, and a renewal up, for a few milliseconds.
TOGETHER = 32


@contextmanager
def writing(db: sqlite3.Connection) -> Iterator[None]:
    """One short transaction that holds the file's write lock from its first statement on.

    Within another one it is a part of that.
    """
    within = db.in_transaction
    if within:
        yield
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


class Rank(IntEnum):
    """What goes first."""

    URGENT = 0  # renewals, and the ends of dead sessions
    ORDINARY = 1
    LAST = 2  # the end of the thread


@dataclass(order=True, slots=True)
class _Order:
    rank: Rank
    number: int
    asked: float = field(compare=False)
    job: Callable[[sqlite3.Connection], Any] = field(compare=False)
    over: Callable[[Any], None] = field(compare=False)
    future: "Future[Any]" = field(compare=False, default_factory=Future)

    def succeed(self, result: object) -> None:
        self.over(result)
        self.future.set_result(result)

    def fail(self, error: BaseException) -> None:
        self.over(None)
        self.future.set_exception(error)


def _nothing(_: object) -> None:
    pass


class SqliteThread:
    """Runs jobs, first come first served within a rank; ordinary ones that wait, together.

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
        self,
        job: Callable[[sqlite3.Connection], T],
        rank: Rank = Rank.ORDINARY,
        over: Callable[[T | None], None] = _nothing,
    ) -> "Future[T]":
        """Queue a job, from any thread. Unavailable: the thread is not running.

        It may be done again, where nothing of the time before has stayed. `over` is called before
        its caller is told: with the result once that is committed, with None if it has failed.
        """
        with self._closing:
            if self._stopped or self._thread.ident is None:
                raise Unavailable(f"this gateway does not have {self._file} open")
            return self._put(rank, job, over)

    async def run(
        self,
        job: Callable[[sqlite3.Connection], T],
        rank: Rank = Rank.ORDINARY,
        over: Callable[[T | None], None] = _nothing,
    ) -> T:
        """Queue a job and await it. Cancelling drops it if it has not begun."""
        return await asyncio.wrap_future(self.submit(job, rank, over))

    def stop(self) -> None:
        """End the thread after all that is queued, and its connection with it. Idempotent."""
        with self._closing:
            if not self._stopped:
                self._stopped = True
                self._put(Rank.LAST, _nothing, _nothing)

    async def ended(self) -> None:
        """Await the end of the thread after stop()."""
        if self._thread.ident is not None:
            await asyncio.shield(asyncio.wrap_future(self._ended))
            self._thread.join()

    def _put(
        self,
        rank: Rank,
        job: Callable[[sqlite3.Connection], Any],
        over: Callable[[Any], None],
    ) -> "Future[Any]":
        order = _Order(rank, next(self._numbers), time.monotonic(), job, over)
        self._queue.put(order)
        return order.future

    def _serve(self) -> None:
        while (orders := self._next())[0].rank is not Rank.LAST:
            self._do([each for each in orders if each.future.set_running_or_notify_cancel()])
            del orders  # nothing of a finished job may live until the next one comes
        self._drop_connection()
        self._ended.set_result(None)

    def _next(self) -> list[_Order]:
        """The next order, and what may be done with it."""
        orders = [self._queue.get()]
        if self._read_only or orders[0].rank is not Rank.ORDINARY:
            return orders
        while len(orders) < TOGETHER and not self._queue.empty():
            following = self._queue.get()
            if following.rank is not Rank.ORDINARY:
                self._queue.put(following)
                break
            orders.append(following)
        return orders

    def _do(self, orders: Sequence[_Order]) -> None:
        if len(orders) > 1 and self._done_together(orders):
            time.sleep(2 * NAP)  # the file was locked for long: others, who nap, have their turn
            return
        for order in orders:
            try:
                result = self._attempt(order.job, self._patience_for(order.asked))
            except BaseException as error:  # noqa: BLE001 it belongs to who asked
                order.fail(error)
            else:
                order.succeed(result)

    def _done_together(self, orders: Sequence[_Order]) -> bool:
        """Do all in one transaction; False: nothing of it happened, they are to be done alone."""

        def jobs(db: sqlite3.Connection) -> list[Any]:
            with writing(db):
                return [order.job(db) for order in orders]

        try:
            results = self._attempt(jobs, self._patience_for(orders[0].asked))
        except Exception as error:  # noqa: BLE001 whose it is will show
            if not (isinstance(error.__cause__, sqlite3.Error) and is_busy(error.__cause__)):
                return False
            for order in orders:
                order.fail(error)
        else:
            for order, result in zip(orders, results, strict=True):
                order.succeed(result)
        return True

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
