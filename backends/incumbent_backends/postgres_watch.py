"""Watching a PostgreSQL store: one task a backend, which tells changes and tends the sessions.

A NOTIFY names an election that has changed: its row is read at once. That is a hint and may be
lost, so every 250 ms, and when somebody begins to watch, a whole look compares a digest of all rows
with the last one, and all rows with what was told where it differs: the truth. On a large namespace
that takes a tenth of the time at most. Each look is one snapshot of the database.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable

import psycopg

from incumbent_backends.api import BackendError, Snapshot, Synced
from incumbent_backends.audience import Audience
from incumbent_backends.lease_picture import Picture
from incumbent_backends.lease_rows import snapshot
from incumbent_backends.postgres_hints import SESSIONS, channel
from incumbent_backends.postgres_look import POLL, Look, Sessions
from incumbent_backends.postgres_pooler import is_pooled
from incumbent_backends.postgres_server import Connection, Server

REST = 0.002  # from a hint to the look: so many changes are one look
SWEEP = 10.0  # vacant rows stay this long
AGAIN = 0.25  # after an error


class PostgresWatch:
    """The task. It runs from start() to close(), watched or not: silent sessions must end."""

    def __init__(self, server: Server, namespace: str, sessions: Sessions) -> None:
        self._server = server
        self._namespace = namespace
        self._sessions = sessions
        self._wake = asyncio.Event()
        self._audience = Audience(self._wake.set)
        self._answered: list[Snapshot] = []  # what verbs here have told
        self._owed: set[str] = set()  # vacant elections of which somebody who watches must hear
        self._hinted: set[str] = set()
        self._sweep_at = 0.0
        self._vacant: dict[str, int] = {}  # at the last sweep
        self._look: Look | None = None  # while its connection stands
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._serve())

    def answered(self, snapshot: Snapshot) -> None:
        """A verb has told its caller this: the watch must tell it, or what became of it."""
        self._answered.append(snapshot)
        self._wake.set()

    def session_over(self, session: str, elections: Iterable[str]) -> None:
        """Tell at once what hung on a session that is known here to be over, then look.

        Among it terms that were never told, and if nobody watches now, whoever watches next.
        """
        self._owed.update(elections)
        if self._look is not None:
            self._look.picture.end_session(session)
            self._tell_owed(self._look.picture)
        self._wake.set()

    def led_beside(self, session: str) -> int:
        """How many elections of the namespace other sessions lead, as last read."""
        return 0 if self._look is None else self._look.picture.led_beside(session)

    async def close(self) -> None:
        """End the task, and every watch with it."""
        self._audience.close()
        self._fail("this gateway has closed its store")
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def watch(self) -> AsyncGenerator[Snapshot | Synced, None]:
        """See Backend.watch."""
        return self._audience.watch()

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
            look = self._look = Look(db, self._namespace, self._sessions)
            while True:
                await self._server.ask(db, self._tick(db, look))
                await self._pause(db)
        finally:
            self._look = None
            self._server.discard(db)

    async def _tick(self, db: Connection, look: Look) -> None:
        newcomers = list(self._audience.newcomers)
        answered, self._answered = self._answered, []
        hinted, self._hinted = self._hinted - {SESSIONS}, set()
        look.picture.owe(answered)
        hinted.update(answer.election for answer in answered)
        news = await look.look(hinted, whole=bool(newcomers))
        for session in self._sessions.over():
            news += look.picture.end_session(session)
        self._audience.tell(news)
        self._tell_owed(look.picture)
        self._audience.welcome(newcomers, look.picture.all_led())
        if self._owed and self._audience.listens:
            self._wake.set()  # they follow what the newcomers were told
        if await self._sessions.tend(db, news):
            self._wake.set()
        if time.monotonic() >= self._sweep_at:
            await self._sweep(look)

    async def _sweep(self, look: Look) -> None:
        """Forget the elections that were vacant at the same version the last time."""
        vacant = look.picture.vacant()
        old = {
            name: version for name, version in vacant.items() if self._vacant.get(name) == version
        }
        self._vacant = vacant
        self._sweep_at = time.monotonic() + SWEEP
        if old:
            await look.forget(old)

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

    def _tell_owed(self, picture: Picture) -> None:
        if self._audience.listens and self._owed:
            vacant = [name for name in sorted(self._owed) if not picture.leads(name)]
            self._audience.tell([snapshot(name, None, None) for name in vacant])
            self._owed.clear()

    def _fail(self, error: str) -> None:
        self._answered.clear()  # whoever watches next is told all there is
        ended = [snapshot(name, None, None) for name in sorted(self._owed)]
        if self._audience.dismiss(error, ended):  # known here, though the server is not reached
            self._owed.clear()


def _take_hints(db: Connection) -> None:
    """Hand what has arrived to the handler. A connection that was ended fails here."""
    pgconn = db.pgconn
    pgconn.consume_input()
    while hint := pgconn.notifies():
        if pgconn.notify_handler is not None:
            pgconn.notify_handler(hint)
