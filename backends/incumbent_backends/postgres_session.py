"""One session of lease rows in PostgreSQL: each verb as its statements.

A bid reads first and writes only what it may win: one statement, a compare-and-swap on the version
that was read. What is vacant at a version stays vacant as long as it has that version, so to
compare, to win and to draw the token is one atomic step, without a transaction that a gateway could
leave open. See sql/postgres_lease.sql.
"""

import logging
import secrets
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import psycopg

from incumbent_backends.api import (
    Claim,
    Options,
    Renewal,
    Snapshot,
    Term,
    Unavailable,
)
from incumbent_backends.bids import Bid, Step, decide
from incumbent_backends.lease_promise import Promise
from incumbent_backends.lease_rows import Row, snapshot
from incumbent_backends.postgres_rows import count, read_row, rows
from incumbent_backends.postgres_schema import no_counter
from incumbent_backends.postgres_server import Connection
from incumbent_backends.under_way import UnderWay

TRIES = 4  # of a bid whose vacancy changes under it without being won by anybody

_log = logging.getLogger(__name__)


class RenewCall(NamedTuple):
    """What renew was called with, and when."""

    keep: Collection[Claim]
    began: float
    mark: int  # of what was under way at that moment


class LeaseSession:
    """The driver's session and its verbs; `id` changes when it died and a new one was opened."""

    def __init__(self, options: Options) -> None:
        self.id = secrets.token_hex(16)
        self.under_way = UnderWay()
        self._namespace = options.namespace
        self._ttl = options.backend_ttl
        self._promise = Promise(-(-options.backend_ttl // timedelta(milliseconds=1)), options.clock)

    async def open(self, db: Connection) -> None:
        """Insert the session's row, under a new name."""
        fresh = secrets.token_hex(16)
        names = self._names(session=fresh, backend_ttl_ms=self._promise.own_ms)
        if not await count(db, "open_session", names):
            raise no_counter(self._namespace)
        self.id = fresh

    async def close(self, db: Connection) -> None:
        """Delete the session's row unless a term hangs on it."""
        await count(db, "close_session", self._names())

    async def renew(self, db: Connection, call: RenewCall) -> Renewal:
        """One statement; one more when orphans must end."""
        good_until = call.began + self._ttl.total_seconds()
        ttl_ms = self._promise.at(call.began)
        listed = await rows(db, "renew", self._names(backend_ttl_ms=ttl_ms))
        if not listed:
            await self.open(db)
            return Renewal(frozenset(), good_until)
        hanging = {
            Claim(name, token): version for name, token, version in listed if name is not None
        }
        self.under_way.ending.intersection_update(hanging)
        orphans = self.under_way.orphans(hanging, call.keep, call.mark)
        ended = await self._end(db, {claim: hanging[claim] for claim in orphans})
        return Renewal(frozenset(hanging.keys() - ended), good_until)

    async def _end(self, db: Connection, claims: dict[Claim, int]) -> set[Claim]:
        """End these at these versions; return those that are known to have ended."""
        if not claims:
            return set()
        self.under_way.ending.update(claims)
        names = self._names(
            elections=[claim.election for claim in claims],
            tokens=[claim.token for claim in claims],
            versions=list(claims.values()),
        )
        try:
            ended = await rows(db, "end_terms", names)
        except psycopg.Error as error:  # the renewal stands all the same; the next tick tries again
            _log.warning("what nobody wants could not be ended (SQLSTATE %s)", error.sqlstate)
            return set()
        self.under_way.ending.difference_update(claims)
        return {Claim(election, token) for election, token in ended}

    async def read(self, db: Connection, election: str) -> Snapshot:
        return (await read_row(db, self._namespace, election))[1]

    async def acquire(self, db: Connection, bid: Bid) -> tuple[Snapshot, bool]:
        """Return the election after the attempt, and whether the attempt changed it."""
        with self.under_way.bidding(bid.election):
            return await self._acquire(db, bid)

    async def _acquire(self, db: Connection, bid: Bid) -> tuple[Snapshot, bool]:
        for _ in range(TRIES):
            row, seen = await read_row(db, self._namespace, bid.election)
            step = decide(seen.term, bid, self.id)
            if step is Step.NOTHING and not self.under_way.doubtful(seen.term, bid, self.id):
                return seen, False
            written = await self._write(db, step, bid, row)
            if written is not None:
                return snapshot(bid.election, written, written.term()), True
            await self._insist(db)
        raise Unavailable(f"election {bid.election} changed too often while it was bid for")

    async def _write(self, db: Connection, step: Step, bid: Bid, row: Row | None) -> Row | None:
        """Do a step on the row as it was read; None: it is not so any more, or we are dead."""
        if row is None:
            await count(db, "first_record", self._names(election=bid.election))
        names = self._names(
            election=bid.election,
            version=0 if row is None else row.version,
            seen=0 if row is None else row.token,
            attempt=bid.attempt,
            value=bid.value,
            backend_ttl_ms=self._promise.own_ms,
        )
        if step is Step.BEGIN:
            return await _written(db, "begin_term", names | self._beginning(bid))
        assert row is not None
        if step is Step.MOVE:
            moved = await _written(db, "move_term", names | {"from": row.session})
            if moved is not None:
                self._promise.lengthen(moved.backend_ttl_ms)
            return moved
        if step is Step.NOTHING:  # a higher version saves it from the end that may still land
            names |= {"attempt": row.attempt, "value": None}
        changed = await _written(db, "change_term", names)
        if changed is not None:
            self.under_way.ending.discard(Claim(changed.election, changed.token))
        return changed

    def _beginning(self, bid: Bid) -> dict[str, Any]:
        return {
            "holder": bid.holder,
            "candidate": bid.candidate,
            "value": bid.value or b"",
            "begin_time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }

    async def _insist(self, db: Connection) -> None:
        """Raise if this session or the namespace's counter is why nothing was written."""
        ((lives, counted),) = await rows(db, "standing", self._names())
        if not counted:
            raise no_counter(self._namespace)
        if not lives:
            raise Unavailable("this gateway's session in PostgreSQL has ended; renewing opens one")

    async def release(self, db: Connection, term: Term) -> bool:
        """End exactly this (election, token, session); return whether there was anything to end."""
        names = self._names(election=term.election, token=term.token, session=term.session)
        return bool(await count(db, "end_term", names))

    def _names(self, **more: object) -> dict[str, Any]:
        return {"namespace": self._namespace, "session": self.id, **more}


async def _written(db: Connection, statement: str, names: dict[str, Any]) -> Row | None:
    found = await rows(db, statement, names)
    return Row(*found[0]) if found else None
