"""Watching a SQLite file: one thread a backend, which tells changes and ends silent sessions.

`PRAGMA data_version` says every 10 ms, for microseconds, whether anybody wrote. Then a quick look
reads the sessions and what has a higher version: a hint. A whole look compares every row with what
was told: the truth, at most every 250 ms and a tenth of the time, but always once after the last
change. So ordinary changes are told in about 10 ms, and rows deleted by hand in half a second.
"""

import asyncio
import json
import sqlite3
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from typing import NamedTuple

from incumbent_backends.api import BackendError, Clock, Snapshot, Synced, Unavailable
from incumbent_backends.audience import Subscriber
from incumbent_backends.lease_picture import Patience, Picture, SessionRow
from incumbent_backends.lease_rows import Row
from incumbent_backends.sqlite_file import BUSY_SECONDS, SqliteFile
from incumbent_backends.sqlite_rows import SQL, decode_rows

POLL = 0.01  # between two looks at data_version
REST = 0.002  # from a write here to the look: so many writes are one look
WHOLE_LOOK = 0.25  # least time between two whole looks
SWEEP = 10.0  # vacant rows stay this long, so that every watcher's quick look finds them
AGAIN = 0.25  # after an error


class _Subscriber(Subscriber):
    """One watch(), told from the thread. A loop that was closed hears nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()

    def tell(self, news: Sequence[Snapshot], *, synced: bool = False) -> None:
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(partial(super().tell, news, synced=synced))

    def fail(self, error: str) -> None:
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(super().fail, error)


class Upkeep(NamedTuple):
    """What a watcher does to others' rows, on the thread that writes."""

    own_session: Callable[[], str]
    kill: Callable[[SessionRow], Future[None]]
    sweep: Callable[[int], Future[None]]  # vacant rows up to this version


@contextmanager
def reading(db: sqlite3.Connection) -> Iterator[None]:
    """One consistent view for several statements."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


class _Look:
    """The connection's side: what is read, when, into a picture. Begun anew after an error."""

    def __init__(
        self, db: sqlite3.Connection, namespace: str, clock: Clock, patience: Patience
    ) -> None:
        self.picture = Picture()
        self.patience = patience
        self._db = db
        self._names: dict[str, object] = {"namespace": namespace}
        self._clock = clock
        self._data_version = -1
        self._outline = ""  # as the picture was drawn from; "" when it went on from there
        self._whole_due = True
        self._whole_at = 0.0

    def look(self) -> list[Snapshot] | None:
        """Read what may have changed; return the news, or None when nobody wrote."""
        ((version,),) = self._db.execute("PRAGMA data_version").fetchall()
        changed = version != self._data_version
        self._data_version = version
        self._whole_due = self._whole_due or changed
        started = time.monotonic()
        if self._whole_due and started >= self._whole_at:
            news = self._read_whole()
            self._whole_due = False
            ended = time.monotonic()
            self._whole_at = ended + max(WHOLE_LOOK, 9 * (ended - started))
            return news
        return self._read_changes() if changed else None

    def _read_changes(self) -> list[Snapshot]:
        with reading(self._db):
            live = self._read_sessions()
            rows = self._read_rows("changes", version=self.picture.highest)
        if rows:
            self._outline = ""
        return self.picture.update(live, rows)

    def _read_whole(self) -> list[Snapshot]:
        with reading(self._db):
            live = self._read_sessions()
            ((outline,),) = self._db.execute(SQL["outline"], self._names).fetchall()
            if outline == self._outline:
                return self.picture.update(live, ())
            changed, gone = self.picture.differing(json.loads(outline))
            rows = self._read_rows("rows_of", elections=json.dumps(changed)) if changed else []
        news = self.picture.update(live, rows, gone)
        self._outline = outline
        return news

    def _read_sessions(self) -> frozenset[str]:
        found = self._db.execute(SQL["sessions"], self._names).fetchall()
        sessions = [SessionRow(*row) for row in found]
        self.patience.observe(sessions, self._clock.now())  # read after the read: its arrival
        return frozenset(session.id for session in sessions)

    def _read_rows(self, statement: str, **more: object) -> list[Row]:
        ((text,),) = self._db.execute(SQL[statement], self._names | more).fetchall()
        return list(decode_rows(text))


class SqliteWatch:
    """The thread. It runs from start() to close(), watched or not: silent sessions must end."""

    def __init__(self, file: SqliteFile, namespace: str, clock: Clock, upkeep: Upkeep) -> None:
        self._file = file
        self._namespace = namespace
        self._clock = clock
        self._upkeep = upkeep
        self._patience = Patience()  # outlives a look that failed: the renewals seen stay seen
        self._wake = threading.Event()
        self._lock = threading.Lock()  # guards the next four
        self._subscribers: list[Subscriber] = []
        self._newcomers: list[Subscriber] = []
        self._answered: list[Snapshot] = []  # what verbs here have told
        self._stopped = False
        self._ended: Future[None] = Future()
        self._killing: dict[SessionRow, Future[None]] = {}
        self._sweep_at = 0.0
        self._sweep_below = 0
        self._thread = threading.Thread(
            target=self._serve, name="incumbent-sqlite-watch", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def poke(self) -> None:
        """Look soon: this process wrote something."""
        self._wake.set()

    def answered(self, snapshot: Snapshot) -> None:
        """A verb has told its caller this: the watch must tell it, or what became of it."""
        with self._lock:
            self._answered.append(snapshot)

    def stop(self) -> None:
        """End the thread soon, and every watch with it. Idempotent."""
        with self._lock:
            self._stopped = True
            ended = self._subscribers + self._newcomers
            self._subscribers, self._newcomers = [], []
        for subscriber in ended:
            subscriber.fail(f"this gateway has closed {self._file}")
        self._wake.set()

    async def ended(self) -> None:
        """Await the end of the thread after stop()."""
        if self._thread.ident is not None:
            await asyncio.shield(asyncio.wrap_future(self._ended))
            self._thread.join()

    async def watch(self) -> AsyncGenerator[Snapshot | Synced, None]:
        """See Backend.watch."""
        subscriber = _Subscriber()
        with self._lock:
            if self._stopped:
                raise Unavailable(f"this gateway has closed {self._file}")
            self._newcomers.append(subscriber)
        self._wake.set()
        try:
            async for item in subscriber.items():
                yield item
        finally:
            with self._lock:
                for group in (self._subscribers, self._newcomers):
                    if subscriber in group:
                        group.remove(subscriber)

    def _serve(self) -> None:
        while not self._stopped:
            try:
                self._follow()
            except BackendError as error:
                self._fail(str(error))
            except sqlite3.Error as error:
                self._fail(str(self._file.translate(error)))
            except Exception as error:  # noqa: BLE001 a row that nobody could have written
                self._fail(f"cannot read {self._file}: {error!r}")
        self._ended.set_result(None)

    def _follow(self) -> None:
        """Look until stopped, on one connection and one picture."""
        db = self._file.connect(read_only=True, patience=BUSY_SECONDS)
        try:
            look = _Look(db, self._namespace, self._clock, self._patience)
            while not self._stopped:
                self._tick(look)
                if self._wake.wait(POLL):
                    self._wake.clear()
                    time.sleep(REST)  # whoever wrote is answered first
        finally:
            db.close()

    def _tick(self, look: _Look) -> None:
        self._file.verify()
        with self._lock:
            newcomers, self._newcomers = self._newcomers, []
            told = list(self._subscribers)
            self._subscribers += newcomers
            answered, self._answered = self._answered, []
        look.picture.owe(answered)
        try:
            news = look.look()
        finally:  # also where a row cannot be read: sessions are read before rows
            self._end_silent(look.patience)
        if news:
            for subscriber in told:
                subscriber.tell(news)
        for subscriber in newcomers:
            subscriber.tell(look.picture.all_led(), synced=True)
        if time.monotonic() >= self._sweep_at:
            self._sweep(look.picture)

    def _end_silent(self, patience: Patience) -> None:
        self._killing = {who: done for who, done in self._killing.items() if not done.done()}
        for session in patience.silent(self._clock.now()):
            if session not in self._killing and session.id != self._upkeep.own_session():
                self._killing[session] = self._upkeep.kill(session)

    def _sweep(self, picture: Picture) -> None:
        """Forget the elections that were already vacant the last time, if there are any."""
        if self._sweep_below and picture.has_vacant():
            self._upkeep.sweep(self._sweep_below)
        self._sweep_below = picture.highest
        self._sweep_at = time.monotonic() + SWEEP

    def _fail(self, error: str) -> None:
        with self._lock:
            failed = self._subscribers + self._newcomers
            self._subscribers, self._newcomers = [], []
        for subscriber in failed:
            subscriber.fail(error)
        self._wake.clear()
        if not self._stopped:
            self._wake.wait(AGAIN)
