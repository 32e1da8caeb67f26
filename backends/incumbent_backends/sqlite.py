"""SQLite: lease rows in one file, for the gateways of one host. The embedded default.

    verbs ──► writes: a thread, one connection ──► the file (WAL, synchronous = FULL)
    read  ──► reads:  a thread, one connection ──►     │
    watch ◄── watch:  a thread, one connection ◄───────┘  polls data_version; ends silent sessions

No clock is in the store. A session is a row whose `renewals` moves; a gateway ends another's only
after it has itself seen that number stand still for the session's ttl × 1.02, by compare-and-swap.
A term whose session is gone is a vacancy. See sql/sqlite_schema.sql and sql/sqlite.sql.
"""

import logging
import sqlite3
from collections.abc import AsyncGenerator, Collection
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from typing import Self

from incumbent_backends.api import (
    BackendError,
    Claim,
    Expiry,
    Limits,
    Options,
    Renewal,
    Snapshot,
    Synced,
    Term,
)
from incumbent_backends.bids import Bid
from incumbent_backends.lease_picture import FACTOR, SessionRow
from incumbent_backends.sqlite_file import SqliteFile, parse_url
from incumbent_backends.sqlite_rows import SQL
from incumbent_backends.sqlite_schema import prepare
from incumbent_backends.sqlite_session import RenewCall, Session
from incumbent_backends.sqlite_thread import Rank, SqliteThread, writing
from incumbent_backends.sqlite_watch import SqliteWatch, Upkeep

LIMITS = Limits(
    kind="sqlite",
    expiry=Expiry.LEASE,
    min_backend_ttl=timedelta(seconds=1),
    max_backend_ttl=timedelta(hours=1),
    expiry_factor=FACTOR,
    expiry_slack=timedelta(milliseconds=300),
    moves_terms=True,
    survives_gateway=True,
    survives_restart=True,
    notes=(
        "One host only: every gateway of this store runs beside the file, on a local disk.",
        "Whoever holds the file's write lock, a gateway frozen in the middle included, stops all.",
        "A gateway that was not watching waits one backend ttl before it succeeds a dead one.",
        "Restoring an older copy of the file takes the tokens back with it.",
    ),
)

_log = logging.getLogger(__name__)


class Sqlite:
    """A SQLite file as a Backend. URL: sqlite:////abs/file or sqlite:///rel/file."""

    def __init__(self, url: str, options: Options) -> None:
        self._file = SqliteFile(parse_url(url))
        self._namespace = options.namespace
        self._clock = options.clock
        self._session = Session(options, self._file)
        self._writes = SqliteThread(self._file, "writes", read_only=False)
        self._reads = SqliteThread(self._file, "reads", read_only=True)
        upkeep = Upkeep(lambda: self._session.id, self._kill, self._sweep)
        self._watch = SqliteWatch(self._file, options.namespace, options.clock, upkeep)

    @property
    def limits(self) -> Limits:
        return LIMITS

    @property
    def session(self) -> str:
        return self._session.id

    async def __aenter__(self) -> Self:
        self._file.inspect()
        self._writes.start()
        try:
            await self._writes.run(self._open, Rank.URGENT)
        except BaseException:
            self._writes.stop()
            await self._writes.ended()
            raise
        self._reads.start()
        self._watch.start()
        return self

    def _open(self, db: sqlite3.Connection) -> None:
        prepare(db, self._file, self._namespace)
        self._session.open(db)
        self._file.opened()

    async def __aexit__(self, *exc: object) -> None:
        self._watch.stop()
        self._reads.stop()
        try:
            with suppress(BackendError):  # locked or gone: others end the session after its ttl
                await self._writes.run(self._session.close)
        finally:
            self._writes.stop()
            await self._watch.ended()
            await self._reads.ended()
            await self._writes.ended()

    async def renew(self, keep: Collection[Claim]) -> Renewal:
        call = RenewCall(tuple(keep), self._clock.now(), self._session.mark)
        return await self._writes.run(
            lambda db: self._session.renew(db, call), Rank.URGENT, self._poke
        )

    async def acquire(
        self,
        election: str,
        *,
        holder: str,
        attempt: int,
        candidate: str,
        value: bytes | None,
        resume: int | None = None,
    ) -> Snapshot:
        bid = Bid(election, holder, attempt, candidate, value, resume)

        def over(after: Snapshot | None) -> None:
            self._session.acquired(election)
            if after is not None:
                self._watch.answered(after)
            self._watch.poke()

        return await self._writes.run(lambda db: self._session.acquire(db, bid), over=over)

    async def release(self, term: Term) -> None:
        await self._writes.run(lambda db: self._session.release(db, term), over=self._poke)

    async def read(self, election: str) -> Snapshot:
        # on a connection of its own: a reader never waits for somebody's write lock
        return await self._reads.run(lambda db: self._session.read(db, election))

    def watch(self) -> AsyncGenerator[Snapshot | Synced, None]:
        return self._watch.watch()

    def _poke(self, _: object) -> None:
        self._watch.poke()

    def _kill(self, session: SessionRow) -> Future[None]:
        names = {"namespace": self._namespace, "session": session.id, "renewals": session.renewals}

        def kill(db: sqlite3.Connection) -> None:
            if db.execute(SQL["kill_session"], names).rowcount:
                _log.info("ended the silent session %s in %s", session.id, self._file)
            self._watch.poke()

        return self._writes.submit(kill, Rank.URGENT)

    def _sweep(self, version: int) -> Future[None]:
        def sweep(db: sqlite3.Connection) -> None:
            with writing(db):
                db.execute(SQL["sweep"], {"namespace": self._namespace, "version": version})

        return self._writes.submit(sweep)
