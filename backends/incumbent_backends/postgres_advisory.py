"""PostgreSQL: advisory locks, held by one connection a gateway.

    renew, acquire, release ──► the session: one connection ──►┐
    read                    ──► up to 4 connections ──────────►├── PostgreSQL
    watch ◄─────────────────────a connection of its own ◄──────┘   LISTEN, and a look every 250 ms

A term is a row, written under the election's lock by the connection that holds it; it lives as long
as that connection does. `idle_session_timeout` makes the server end a silent one after its ttl, so
no other gateway has to judge who is dead. See sql/postgres_schema.sql and docs/adr/0027.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection
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
    Unavailable,
)
from incumbent_backends.bids import Bid
from incumbent_backends.postgres_hints import Hints
from incumbent_backends.postgres_lane import Lanes
from incumbent_backends.postgres_lock_lane import Call, LockLane
from incumbent_backends.postgres_lock_session import LOCKS, LockSession
from incumbent_backends.postgres_lock_sessions import LockSessions
from incumbent_backends.postgres_schema import SCHEMA, Mechanism, prepare
from incumbent_backends.postgres_server import ANSWER, Connection, Server
from incumbent_backends.postgres_watch import PostgresWatch

LANES = 4  # connections for reads and hints
BETWEEN = 0.01  # seconds between two looks at a lock whose holder has not written yet
TRIES = 60

MECHANISM = Mechanism(
    "postgres advisory locks",
    1,
    ("incumbent_namespace", "incumbent_lock_term", "incumbent_lock"),
    LOCKS,
)

LIMITS = Limits(
    kind="postgres+advisory",
    expiry=Expiry.SESSION,
    min_backend_ttl=timedelta(seconds=1),
    max_backend_ttl=timedelta(hours=1),
    expiry_factor=1.0,
    expiry_slack=timedelta(milliseconds=500),
    moves_terms=False,
    survives_gateway=False,
    survives_restart=False,
    notes=(
        "A term ends with its gateway's connection, whatever breaks that; others may bid at once.",
        "Its leader is told within a second; until then only the token protects.",
        "A term cannot move to another gateway.",
        "At most 2,000 elections are led in a namespace; fewer where PostgreSQL has few locks.",
        "Restoring a backup, or failing over to a standby that lacks commits, takes tokens back.",
    ),
)


class PostgresAdvisory:
    """Advisory locks of a PostgreSQL as a Backend. URL: postgres+advisory://user@host/database."""

    schema = SCHEMA

    def __init__(self, url: str, options: Options) -> None:
        self._server = Server(url)
        self._options = options
        self._lanes = Lanes(self._server, LANES)
        self._hints = Hints(self._lanes, options.namespace)
        self._session = LockSession(options, self._led_beside)
        self._lane = LockLane(self._server, options.clock, _patient(options), self._over)
        self._tidying: set[asyncio.Task[None]] = set()
        sessions = LockSessions(self._session, self._tidy)
        self._watch = PostgresWatch(self._server, options.namespace, sessions)

    @property
    def limits(self) -> Limits:
        return LIMITS

    @property
    def session(self) -> str:
        return self._session.id

    async def __aenter__(self) -> Self:
        try:
            await self._lanes.run(self._prepare)
            began = self._options.clock.now()
            await self._lane.renew(self._session.open, self._session.open)
            self._promised(began)
        except BaseException:
            await self._lane.close()
            await self._lanes.close()
            await self._server.close()
            raise
        self._server.opened()
        self._hints.start()
        self._watch.start()
        return self

    async def _prepare(self, db: Connection) -> None:
        await prepare(db, self._options.namespace, MECHANISM)

    async def __aexit__(self, *exc: object) -> None:
        await self._watch.close()
        try:
            with suppress(BackendError, TimeoutError):  # not reached: the server ends it
                async with asyncio.timeout(ANSWER):
                    self._hints.tell(await self._lane.run(self._session.close))
            await self._hints.close()
        finally:
            await self._lane.close()
            if self._tidying:
                await asyncio.wait(self._tidying)
            await self._lanes.close()
            await self._server.close()

    async def renew(self, keep: Collection[Claim]) -> Renewal:
        began, mark, keep = self._options.clock.now(), self._session.mark, tuple(keep)

        async def heartbeat(db: Connection, _: Call) -> frozenset[Claim]:
            survivors = await self._session.renew(db, keep, mark)
            self._promised(began)
            return survivors

        async def revival(db: Connection, call: Call) -> frozenset[Claim]:
            await self._session.open(db, call)
            self._promised(began)
            return frozenset()

        try:
            survivors = await self._lane.renew(heartbeat, revival)
        except Unavailable:
            if self._lane.stands:
                raise
            survivors = await self._lane.renew(heartbeat, revival)  # it was found dead just now
        return Renewal(survivors, self._good_until(began))

    def _good_until(self, began: float) -> float:
        return began + self._options.backend_ttl.total_seconds()

    def _promised(self, began: float) -> None:
        self._lane.good_until = self._good_until(began)

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
        for _ in range(TRIES):
            after, changed = await self._lane.run(
                lambda db, call: self._session.acquire(db, call, bid)
            )
            if after is not None:
                break
            await asyncio.sleep(BETWEEN)
        else:
            raise Unavailable(
                f"the lock of election {election} is held by somebody who does not lead: a session"
                " that is about to end, or another program"
            )
        self._watch.answered(after)
        if changed:
            self._hints.tell([election])
        return after

    async def release(self, term: Term) -> None:
        if term.session == self.session and self._lane.stands:
            ended = await self._lane.run(lambda db, _: self._session.release(db, term))
        else:
            ended = await self._lanes.run(lambda db: self._session.end_elsewhere(db, term))
        if ended:
            self._hints.tell([term.election])

    async def read(self, election: str) -> Snapshot:
        return await self._lanes.run(lambda db: self._session.read(db, election))

    def watch(self) -> AsyncGenerator[Snapshot | Synced, None]:
        return self._watch.watch()

    def _over(self) -> None:
        self._watch.session_over(self._session.id, self._session.over())

    def _led_beside(self, session: str) -> int:
        return self._watch.led_beside(session)

    def _tidy(self) -> None:
        task = asyncio.create_task(self._give_back())
        self._tidying.add(task)
        task.add_done_callback(self._tidying.discard)

    async def _give_back(self) -> None:
        with suppress(BackendError):  # the next renewal does it
            await self._lane.run(self._session.tidy)


def _patient(options: Options) -> dict[str, str]:
    """Return libpq's parameters of a session: our side gives up no sooner than the promise ends."""
    ttl = options.backend_ttl
    probe = str(-(-ttl // timedelta(seconds=3)))
    return {
        "tcp_user_timeout": str(ttl // timedelta(milliseconds=1)),
        "keepalives_idle": probe,
        "keepalives_interval": probe,
        "keepalives_count": "3",
    }
