"""One session of advisory locks in PostgreSQL: what is said on its own connection.

An election's lock is the right to write its row, and the row says who leads. So a term lives as
long as its row names a session that holds the lock. Locks stack in PostgreSQL: `_held` knows which
are ours, each is taken once and given back once. See sql/postgres_advisory.sql and docs/adr/0027.
"""

import logging
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from incumbent_backends.api import Claim, Options, Rejected, Snapshot, Term, Unavailable
from incumbent_backends.bids import Bid, Step, decide
from incumbent_backends.lease_rows import Row, snapshot
from incumbent_backends.postgres_lock_keys import SessionName, election_key
from incumbent_backends.postgres_lock_lane import Call
from incumbent_backends.postgres_rows import Statements
from incumbent_backends.postgres_schema import no_counter
from incumbent_backends.postgres_server import Connection

LOCKS = Statements("postgres_advisory.sql")
CAP = 2000  # elections that a namespace leads at most
SHARE = 2  # the server's locks are for others too: no more than one in so many

_log = logging.getLogger(__name__)


class LockSession:
    """The driver's session and its jobs; `id` changes when it died and a new one was opened.

    `led_beside` counts the elections of the namespace that other sessions lead, as last read.
    """

    def __init__(self, options: Options, led_beside: Callable[[str], int]) -> None:
        self.id = str(SessionName.draw())
        self.mark = 0  # acquires ended so far
        self._gained: dict[str, int] = {}  # election → mark of the last one ended
        self._held: dict[int, str] = {}  # key → election
        self._ended: set[str] = set()  # sessions of this gateway that are over
        self._cap = 0
        self._namespace = options.namespace
        self._ttl_ms = -(-options.backend_ttl // timedelta(milliseconds=1))
        self._led_beside = led_beside

    # -- its life ----------------------------------------------------------------------------

    async def open(self, db: Connection, _: Call) -> None:
        """Make a fresh connection a session, under a new name."""
        ttl_ms = self._ttl_ms
        settings = {
            "ttl_ms": str(ttl_ms),
            "probe_s": str(-(-ttl_ms // 3000)),
            "statement_ms": str(min(4000, ttl_ms)),
            "lock_ms": str(min(1000, ttl_ms // 3)),
        }
        await LOCKS.rows(db, "settle_session", settings)
        ((ceiling,),) = await LOCKS.rows(db, "ceiling", {})
        name = SessionName.draw()
        if await LOCKS.rows(db, "take_session", name._asdict()) != [(True,)]:
            raise Unavailable("the name that was drawn for this session is taken")
        self.id, self._held, self._cap = str(name), {}, min(CAP, ceiling // SHARE)

    def over(self) -> list[str]:
        """Take in that the connection is gone; return the elections whose locks went with it."""
        elections = list(self._held.values())
        self._ended.add(self.id)
        self._held = {}
        return elections

    @property
    def ended(self) -> Collection[str]:
        """The sessions of this gateway that are over, but for those that no look shows any more."""
        return self._ended

    def seen(self, living: frozenset[str]) -> None:
        """Forget the ended sessions whose locks are free: they never come back."""
        self._ended &= living

    def holds(self, election: str) -> bool:
        return self._held.get(election_key(self._namespace, election)) == election

    async def close(self, db: Connection, _: Call) -> list[str]:
        """End all that hangs here and give every lock back; return the elections."""
        ended = await LOCKS.rows(db, "end_session", self._names())
        await LOCKS.rows(db, "give_back_all", {})
        return [str(election) for (election,) in ended]

    # -- verbs -------------------------------------------------------------------------------

    async def renew(self, db: Connection, keep: Collection[Claim], mark: int) -> frozenset[Claim]:
        """Keep the session, end what is not wanted; return what hangs on it.

        Spared is every election whose acquire is under way or ended after `mark`, whatever came of
        it; the next tick ends what was spared for nothing.
        """
        hanging = await self._hanging(db)
        under_way = {claim.election for claim in keep if claim.token is None}
        self._gained = {name: at for name, at in self._gained.items() if at > mark}
        spared = under_way.union(self._gained)
        unwanted = {claim for claim in hanging.difference(keep) if claim.election not in spared}
        try:
            ended = await self._end(db, unwanted)
            await self._give_back_idle(db, hanging - ended)
        except psycopg.Error as error:
            if db.closed:
                raise
            # The renewal stands all the same; the next tick tries again.
            _log.warning("what nobody wants could not be ended (SQLSTATE %s)", error.sqlstate)
            return frozenset(hanging)
        return frozenset(hanging - ended)

    async def tidy(self, db: Connection, _: Call) -> None:
        """Give back every lock under which nobody leads here, as after a hand in the table."""
        await self._give_back_idle(db, await self._hanging(db))

    async def acquire(self, db: Connection, call: Call, bid: Bid) -> tuple[Snapshot | None, bool]:
        """Return the election after the attempt, and whether the attempt changed it.

        None: somebody has the lock and does not lead yet, or any more.
        """
        try:
            return await self._acquire(db, call, bid)
        finally:
            self.mark += 1
            self._gained[bid.election] = self.mark

    async def _acquire(self, db: Connection, call: Call, bid: Bid) -> tuple[Snapshot | None, bool]:
        key = election_key(self._namespace, bid.election)
        here = self._held.get(key, bid.election)
        if here != bid.election:
            raise _aliased(bid.election, self._namespace, here)
        seen = await self.read(db, bid.election)
        match decide(seen.term, bid, self.id):
            case Step.BEGIN:
                if key not in self._held and not await self._take(db, key, bid.election):
                    return await self._taken(db, key, bid.election), False
                return await self._begin(db, call, key, bid), True
            case Step.CHANGE:
                changed = await self._change(db, bid)
                return changed, changed is not None
            case Step.MOVE | Step.NOTHING:  # a lock cannot pass to another connection
                return seen, False

    async def release(self, db: Connection, term: Term) -> bool:
        """End exactly this term of this session; return whether there was anything to end."""
        return bool(await self._end(db, {Claim(term.election, term.token)}))

    async def end_elsewhere(self, db: Connection, term: Term) -> bool:
        """End a term whose session is over, on another connection: its lock is not ours to give."""
        names = self._names(session=term.session, elections=[term.election], tokens=[term.token])
        return bool(await LOCKS.rows(db, "end_terms", names))

    async def read(self, db: Connection, election: str) -> Snapshot:
        row, seen = await LOCKS.read_row(db, self._namespace, election)
        over = seen.term is not None and seen.term.session in self._ended
        return snapshot(election, row, None) if over else seen

    # -- locks -------------------------------------------------------------------------------

    async def _take(self, db: Connection, key: int, election: str) -> bool:
        if len(self._held) + self._led_beside(self.id) >= self._cap:
            raise Rejected(
                f"election {election}: {self._cap} elections of this namespace are led already, and"
                " more locks could exhaust the whole PostgreSQL; raise max_locks_per_transaction"
                f" there (up to {CAP} elections), or use lease rows"
            )
        ((taken,),) = await LOCKS.rows(db, "take", {"key": key})
        if taken:
            self._held[key] = election
        return bool(taken)

    async def _taken(self, db: Connection, key: int, election: str) -> Snapshot | None:
        """Say who leads under a lock that is not to be had; None: nobody does yet."""
        seen = await self.read(db, election)
        if seen.term is not None:
            return seen
        for namespace, alias in await LOCKS.rows(
            db, "alias", self._names(key=key, election=election)
        ):
            raise _aliased(election, namespace, alias)
        return None

    async def _begin(self, db: Connection, call: Call, key: int, bid: Bid) -> Snapshot:
        if call.left:  # its caller was cancelled meanwhile: the lock is undone, nothing is granted
            await self._give_back(db, [key])
            raise Unavailable("nobody waits for this any more")
        names = self._names(
            key=key,
            election=bid.election,
            attempt=bid.attempt,
            holder=bid.holder,
            candidate=bid.candidate,
            value=bid.value or b"",
            backend_ttl_ms=self._ttl_ms,
            begin_time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        try:
            found = await LOCKS.rows(db, "begin_term", names)
        except psycopg.Error:
            if not db.closed:
                await self._give_back(db, [key])
            raise
        if not found:
            await self._give_back(db, [key])
            raise no_counter(self._namespace)
        row = Row(*found[0])
        return snapshot(bid.election, row, row.term())

    async def _change(self, db: Connection, bid: Bid) -> Snapshot | None:
        names = self._names(
            election=bid.election, token=bid.resume, attempt=bid.attempt, value=bid.value
        )
        found = await LOCKS.rows(db, "change_term", names)
        if not found:  # a hand in the table, between the two statements
            return None
        row = Row(*found[0])
        return snapshot(bid.election, row, row.term())

    async def _hanging(self, db: Connection) -> set[Claim]:
        listed = await LOCKS.rows(db, "hanging", self._names())
        return {Claim(election, token) for election, token in listed if self.holds(election)}

    async def _end(self, db: Connection, claims: Collection[Claim]) -> set[Claim]:
        """End these terms, then give their locks back; return those that there were."""
        if not claims:
            return set()
        names = self._names(
            elections=[claim.election for claim in claims], tokens=[claim.token for claim in claims]
        )
        ended = {str(election) for (election,) in await LOCKS.rows(db, "end_terms", names)}
        await self._give_back(db, [key for key, name in self._held.items() if name in ended])
        return {claim for claim in claims if claim.election in ended}

    async def _give_back_idle(self, db: Connection, hanging: Collection[Claim]) -> None:
        led = {claim.election for claim in hanging}
        await self._give_back(db, [key for key, name in self._held.items() if name not in led])

    async def _give_back(self, db: Connection, keys: Collection[int]) -> None:
        """Give locks back. One that was not held: this session is not what it was taken for."""
        if not keys:
            return
        answers = await LOCKS.rows(db, "give_back", {"keys": list(keys)})
        for key in keys:
            self._held.pop(key, None)
        if not all(given for _, given in answers):
            db.pgconn.finish()
            raise Unavailable("PostgreSQL had taken a lock from this gateway: its session is over")

    def _names(self, **more: object) -> dict[str, Any]:
        return {"namespace": self._namespace, "session": self.id, **more}


def _aliased(election: str, namespace: str, other: str) -> Rejected:
    return Rejected(
        f"election {election} has the same lock key as election {other} of namespace {namespace!r},"
        " which is led now: give one of the two another name"
    )
