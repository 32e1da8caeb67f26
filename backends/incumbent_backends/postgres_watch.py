"""Watching lease rows in PostgreSQL: one task a backend, which tells changes, ends silent sessions.

A NOTIFY names an election that has changed: its row is read at once. That is a hint and may be
lost, so every 250 ms, and when somebody begins to watch, a whole look compares a digest of all rows
with the last one, and all rows with what was told where it differs: the truth. On a large namespace
that takes a tenth of the time at most. Each look is one snapshot of the database.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

import psycopg

from incumbent_backends.api import BackendError, Clock, Snapshot, Synced, Unavailable
from incumbent_backends.lease_picture import Patience, Picture, SessionRow
from incumbent_backends.lease_rows import Row
from incumbent_backends.postgres_hints import SESSIONS, Hints, channel
from incumbent_backends.postgres_pooler import is_pooled
from incumbent_backends.postgres_rows import count, rows
from incumbent_backends.postgres_server import Connection, Server

POLL = 0.25  # between two looks, unless a hint or a newcomer comes first
REST = 0.002  # from a hint to the look: so many changes are one look
SWEEP = 10.0  # vacant rows stay this long
AGAIN = 0.25  # after an error

_log = logging.getLogger(__name__)


class Subscriber:
    """One watch(): the latest news of each election that its reader has not fetched yet."""

    def __init__(self) -> None:
        self._arrived = asyncio.Event()
        self._news: dict[str, Snapshot] = {}
        self._synced = False
        self._error: str | None = None

    def tell(self, news: Sequence[Snapshot], *, synced: bool = False) -> None:
        self._news.update((item.election, item) for item in news)
        self._synced = self._synced or synced
        self._arrived.set()

    def fail(self, error: str) -> None:
        self._error = error
        self._arrived.set()

    async def items(self) -> AsyncGenerator[Snapshot | Synced, None]:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._news:
                yield self._news.pop(next(iter(self._news)))
            if self._synced:
                self._synced = False
                yield Synced()
            if self._error is not None:
                raise Unavailable(self._error)


class Look:
    """What is read, when, into a picture. Begun anew after an error, on a new connection."""

    def __init__(self, db: Connection, namespace: str, clock: Clock, patience: Patience) -> None:
        self.picture = Picture()
        self._db = db
        self._names = {"namespace": namespace}
        self._clock = clock
        self._patience = patience
        self._digest = ""  # of what the picture was drawn from; "" when it went on from there
        self._whole_at = 0.0

    async def look(self, hinted: Iterable[str], *, whole: bool) -> list[Snapshot]:
        """Read the sessions, what the hints name, and all that differs if a whole look is due."""
        changed, gone = set(hinted), set[str]()
        digest, started = self._digest, time.monotonic()
        whole = whole or started >= self._whole_at
        async with self._db.transaction():  # REPEATABLE READ, READ ONLY
            live = await self._read_sessions()
            if whole:
                ((digest,),) = await rows(self._db, "digest", self._names)
            if digest != self._digest:
                outline = await rows(self._db, "outline", self._names)
                differing, gone_now = self.picture.differing(outline)
                changed.update(differing)
                gone.update(gone_now)
            found = await self._rows_of(changed) if changed else []
        self._digest = digest if whole or not changed else ""
        if whole:
            ended = time.monotonic()
            self._whole_at = ended + max(POLL, 9 * (ended - started))
        gone.update(changed.difference(row.election for row in found))
        return self.picture.update(live, found, gone)

    async def _read_sessions(self) -> frozenset[str]:
        sessions = [SessionRow(*row) for row in await rows(self._db, "sessions", self._names)]
        self._patience.observe(sessions, self._clock.now())  # read after the read: its arrival
        return frozenset(session.id for session in sessions)

    async def _rows_of(self, elections: Iterable[str]) -> list[Row]:
        names = {**self._names, "elections": list(elections)}
        return [Row(*row) for row in await rows(self._db, "rows_of", names)]


class PostgresWatch:
    """The task. It runs from start() to close(), watched or not: silent sessions must end."""

    def __init__(
        self,
        server: Server,
        namespace: str,
        clock: Clock,
        hints: Hints,
        own_session: Callable[[], str],
    ) -> None:
        self._server = server
        self._namespace = namespace
        self._clock = clock
        self._hints = hints
        self._own_session = own_session
        self._patience = Patience()  # outlives a look that failed: the renewals seen stay seen
        self._wake = asyncio.Event()
        self._subscribers: list[Subscriber] = []
        self._newcomers: list[Subscriber] = []
        self._answered: list[Snapshot] = []  # what verbs here have told
        self._hinted: set[str] = set()
        self._sweep_at = 0.0
        self._vacant: dict[str, int] = {}  # at the last sweep
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._serve())

    def answered(self, snapshot: Snapshot) -> None:
        """A verb has told its caller this: the watch must tell it, or what became of it."""
        self._answered.append(snapshot)
        self._wake.set()

    async def close(self) -> None:
        """End the task, and every watch with it."""
        self._closed = True
        self._fail("this gateway has closed its store")
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def watch(self) -> AsyncGenerator[Snapshot | Synced, None]:
        """See Backend.watch."""
        if self._closed:
            raise Unavailable("this gateway has closed its store")
        subscriber = Subscriber()
        self._newcomers.append(subscriber)
        self._wake.set()
        try:
            async for item in subscriber.items():
                yield item
        finally:
            for group in (self._subscribers, self._newcomers):
                if subscriber in group:
                    group.remove(subscriber)

    async def _serve(self) -> None:
        while True:
            try:
                await self._follow()
            except BackendError as error:
                self._fail(str(error))
            except psycopg.Error as error:
                self._fail(str(self._server.translate(error)))
            except Exception as error:  # noqa: BLE001 a row that nobody could have written
                self._fail(f"cannot read the rows in PostgreSQL: {error!r}")
            await asyncio.sleep(AGAIN)

    async def _follow(self) -> None:
        """Look for as long as the connection stands, into one picture."""
        db = await self._server.connect()
        try:
            db.add_notify_handler(lambda hint: self._hinted.add(hint.payload))
            await db.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
            await db.set_read_only(True)
            if not is_pooled(db):  # through a pooler the slow look alone serves
                await self._server.ask(
                    db, db.execute(f"LISTEN {channel(self._namespace)}".encode())
                )
            look = Look(db, self._namespace, self._clock, self._patience)
            while True:
                await self._server.ask(db, self._tick(db, look))
                await self._pause(db)
        finally:
            self._server.discard(db)

    async def _tick(self, db: Connection, look: Look) -> None:
        newcomers, self._newcomers = self._newcomers, []
        told = list(self._subscribers)
        self._subscribers += newcomers
        answered, self._answered = self._answered, []
        hinted, self._hinted = self._hinted - {SESSIONS}, set()
        look.picture.owe(answered)
        hinted.update(answer.election for answer in answered)
        news = await look.look(hinted, whole=bool(newcomers))
        for subscriber in told if news else ():
            subscriber.tell(news)
        for subscriber in newcomers:
            subscriber.tell(look.picture.all_led(), synced=True)
        await self._end_silent(db)
        if time.monotonic() >= self._sweep_at:
            await self._sweep(db, look.picture)

    async def _end_silent(self, db: Connection) -> None:
        for session in self._patience.silent(self._clock.now()):
            if session.id == self._own_session():
                continue
            names = {
                "namespace": self._namespace, "session": session.id, "renewals": session.renewals,
            }  # fmt: skip
            if await count(db, "kill_session", names):
                _log.info("ended the silent session %s", session.id)
                self._hints.tell([SESSIONS])
                self._wake.set()

    async def _sweep(self, db: Connection, picture: Picture) -> None:
        """Forget the elections that were vacant at the same version the last time."""
        vacant = picture.vacant()
        old = {
            name: version for name, version in vacant.items() if self._vacant.get(name) == version
        }
        self._vacant = vacant
        self._sweep_at = time.monotonic() + SWEEP
        if old:
            names = {"elections": list(old), "versions": list(old.values())}
            await count(db, "sweep", {"namespace": self._namespace, **names})

    async def _pause(self, db: Connection) -> None:
        """Await a hint, a word from here, or the time of the next look."""
        loop = asyncio.get_running_loop()
        loop.add_reader(db.fileno(), self._wake.set)
        try:
            async with asyncio.timeout(POLL):
                await self._wake.wait()
        except TimeoutError:
            return
        finally:
            loop.remove_reader(db.fileno())
        self._wake.clear()
        await asyncio.sleep(REST)  # whoever wrote is answered first
        _take_hints(db)

    def _fail(self, error: str) -> None:
        failed = self._subscribers + self._newcomers
        self._subscribers, self._newcomers = [], []
        self._answered.clear()  # whoever watches next is told all there is
        for subscriber in failed:
            subscriber.fail(error)


def _take_hints(db: Connection) -> None:
    """Hand what has arrived to the handler. A connection that was ended fails here."""
    pgconn = db.pgconn
    pgconn.consume_input()
    while hint := pgconn.notifies():
        if pgconn.notify_handler is not None:
            pgconn.notify_handler(hint)
