"""One session in a SQLite file: each verb as its transactions. Used on one thread, but for `mark`.

A bid reads first and writes only what it may win. What decides is read again under the write lock
(BEGIN IMMEDIATE), so reading, deciding and minting are one atomic step.
"""

import json
import secrets
import sqlite3
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from incumbent_backends.api import (
    Claim,
    Options,
    Rejected,
    Renewal,
    Snapshot,
    Term,
    Unavailable,
)
from incumbent_backends.bids import Bid, Step, decide
from incumbent_backends.lease_promise import Promise
from incumbent_backends.lease_rows import Row
from incumbent_backends.sqlite_rows import SQL, read_row
from incumbent_backends.sqlite_thread import writing


class RenewCall(NamedTuple):
    """What renew was called with, and when."""

    keep: Collection[Claim]
    began: float
    mark: int  # Session.mark at that moment


class Session:
    """The driver's session and its verbs; `id` changes when it died and a new one was opened."""

    def __init__(self, options: Options, file: object) -> None:
        self.id = secrets.token_hex(16)
        self.mark = 0  # attempts to gain a term so far; read from any thread
        self._gained: dict[str, int] = {}  # election → mark of the last such attempt
        self._file = file
        self._namespace = options.namespace
        self._ttl = options.backend_ttl
        self._promise = Promise(-(-options.backend_ttl // timedelta(milliseconds=1)), options.clock)

    def open(self, db: sqlite3.Connection) -> None:
        """Insert the session's row, in a transaction of the caller's or by itself."""
        fresh = secrets.token_hex(16)
        row = self._names(session=fresh, backend_ttl_ms=self._promise.own_ms)
        if not db.execute(SQL["open_session"], row).rowcount:
            raise self._no_counter()
        self.id = fresh

    def close(self, db: sqlite3.Connection) -> None:
        """Delete the session's row unless a term hangs on it."""
        db.execute(SQL["close_session"], self._names(session=self.id))

    def renew(self, db: sqlite3.Connection, call: RenewCall) -> Renewal:
        """Two statements, each its own commit; a transaction more when orphans must end."""
        good_until = call.began + self._ttl.total_seconds()
        ttl_ms = self._promise.at(call.began)
        names = self._names(session=self.id)
        if not db.execute(SQL["renew"], names | {"backend_ttl_ms": ttl_ms}).rowcount:
            self.open(db)
            return Renewal(frozenset(), good_until)
        ((text,),) = db.execute(SQL["hanging"], names).fetchall()
        hanging = {Claim(election, token) for election, token in json.loads(text)}
        orphans = self._orphans(hanging, call)
        if orphans:
            self._end(db, orphans)
        return Renewal(frozenset(hanging - orphans), good_until)

    def _orphans(self, hanging: set[Claim], call: RenewCall) -> set[Claim]:
        """What hung here when the call began and is not wanted.

        An acquire numbers its election after its commit (`acquired`), so whatever was committed
        after the call began has a number above the call's mark. Some earlier ones do too: the next
        tick ends them.
        """
        under_way = {claim.election for claim in call.keep if claim.token is None}
        self._gained = {name: mark for name, mark in self._gained.items() if mark > call.mark}
        return {
            claim
            for claim in hanging.difference(call.keep)
            if claim.election not in under_way and claim.election not in self._gained
        }

    def _end(self, db: sqlite3.Connection, claims: Collection[Claim]) -> None:
        with writing(db):
            db.execute(SQL["next_version"], self._names())
            for claim in claims:
                names = self._names(session=self.id, election=claim.election, token=claim.token)
                db.execute(SQL["end_term"], names)

    def read(self, db: sqlite3.Connection, election: str) -> Snapshot:
        return read_row(db, self._namespace, election)[1]

    def acquire(self, db: sqlite3.Connection, bid: Bid) -> Snapshot:
        seen = self.read(db, bid.election)
        if decide(seen.term, bid, self.id) is Step.NOTHING:
            return seen
        with writing(db):
            self._attempt(db, bid)
            return self.read(db, bid.election)

    def acquired(self, election: str) -> None:
        """Take note that an acquire is over, committed or not."""
        self._gained[election] = self.mark + 1
        self.mark += 1

    def _attempt(self, db: sqlite3.Connection, bid: Bid) -> None:
        row, seen = read_row(db, self._namespace, bid.election)
        match decide(seen.term, bid, self.id):
            case Step.BEGIN:
                self._begin(db, bid, 0 if row is None else row.token)
            case Step.MOVE:
                assert row is not None
                self._move(db, bid, row)
            case Step.CHANGE:
                self._change(db, bid, 0)
            case Step.NOTHING:
                pass

    def _begin(self, db: sqlite3.Connection, bid: Bid, seen_token: int) -> None:
        if not db.execute(SQL["session_lives"], self._names(session=self.id)).fetchone()[0]:
            raise self._dead()
        # fetchall: a RETURNING statement that is not read to its end would hinder the commit
        drawn = db.execute(SQL["draw_token"], self._names(seen=seen_token)).fetchall()
        if not drawn:
            raise self._no_counter()
        names = self._names(
            election=bid.election,
            token=drawn[0][0],
            session=self.id,
            holder=bid.holder,
            attempt=bid.attempt,
            candidate=bid.candidate,
            value=bid.value or b"",
            backend_ttl_ms=self._promise.own_ms,
            begin_time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        db.execute(SQL["begin_term"], names)

    def _move(self, db: sqlite3.Connection, bid: Bid, row: Row) -> None:
        ttl_ms = max(row.backend_ttl_ms, self._promise.own_ms)
        names = self._names(session=self.id, backend_ttl_ms=ttl_ms)
        if not db.execute(SQL["lengthen"], names).rowcount:
            raise self._dead()
        self._change(db, bid, ttl_ms)
        self._promise.lengthen(ttl_ms)

    def _change(self, db: sqlite3.Connection, bid: Bid, ttl_ms: int) -> None:
        if not db.execute(SQL["next_version"], self._names()).rowcount:
            raise self._no_counter()
        names = self._names(
            election=bid.election,
            token=bid.resume,
            session=self.id,
            attempt=bid.attempt,
            value=bid.value,
            backend_ttl_ms=ttl_ms,
        )
        db.execute(SQL["change_term"], names)

    def release(self, db: sqlite3.Connection, term: Term) -> None:
        row, _ = read_row(db, self._namespace, term.election)
        if row is None or (row.token, row.session) != (term.token, term.session):
            return
        names = self._names(election=term.election, token=term.token, session=term.session)
        with writing(db):
            db.execute(SQL["next_version"], self._names())
            db.execute(SQL["end_term"], names)

    def _names(self, **more: object) -> dict[str, object]:
        return {"namespace": self._namespace, **more}

    def _dead(self) -> Unavailable:
        return Unavailable(
            f"this gateway's session in {self._file} has ended; renewing opens another"
        )

    def _no_counter(self) -> Rejected:
        return Rejected(
            f"the row of namespace {self._namespace!r} in incumbent_namespace of {self._file} was"
            " deleted; put it back with a last_token above every token ever granted"
        )
