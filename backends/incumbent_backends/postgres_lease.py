"""PostgreSQL: lease rows in tables, for gateways on any number of hosts.

    renew           ──► a connection of its own ──►┐
    acquire, …      ──► up to 8 connections ──────►├── PostgreSQL (synchronous_commit = on)
    watch ◄─────────────a connection of its own ◄──┘   LISTEN, and a look every 250 ms

No clock is in the store. A session is a row whose `renewals` moves; a gateway ends another's only
after it has itself seen that number stand still for the session's ttl × 1.02, by compare-and-swap.
A term whose session is gone is a vacancy. See sql/postgres_schema.sql and postgres_lease.sql.
"""

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
)
from incumbent_backends.bids import Bid
from incumbent_backends.lease_picture import FACTOR
from incumbent_backends.postgres_hints import Hints
from incumbent_backends.postgres_lane import Lane, Lanes
from incumbent_backends.postgres_lease_sessions import LeaseSessions
from incumbent_backends.postgres_rows import LEASE
from incumbent_backends.postgres_schema import SCHEMA, Mechanism, prepare
from incumbent_backends.postgres_server import Connection, Server
from incumbent_backends.postgres_session import LeaseSession, RenewCall
from incumbent_backends.postgres_watch import PostgresWatch

LANES = 8  # connections for verbs: wins of a namespace queue for its counter anyway

MECHANISM = Mechanism(
    "postgres lease rows", 1, ("incumbent_namespace", "incumbent_session", "incumbent_term"), LEASE
)

LIMITS = Limits(
    kind="postgres",
    expiry=Expiry.LEASE,
    min_backend_ttl=timedelta(seconds=1),
    max_backend_ttl=timedelta(hours=1),
    expiry_factor=FACTOR,
    expiry_slack=timedelta(milliseconds=500),
    moves_terms=True,
    survives_gateway=True,
    survives_restart=True,
    notes=(
        "A gateway that was not watching waits one backend ttl before it succeeds a dead one.",
        "Restoring a backup, or failing over to a standby that lacks commits, takes tokens back.",
    ),
)


class PostgresLease:
    """Lease rows in a PostgreSQL database as a Backend. URL: postgres://user@host/database."""

    schema = SCHEMA

    def __init__(self, url: str, options: Options) -> None:
        self._server = Server(url, pooled=True)
        self._namespace = options.namespace
        self._clock = options.clock
        self._session = LeaseSession(options)
        self._renewals = Lane(self._server)
        self._lanes = Lanes(self._server, LANES)
        self._hints = Hints(self._lanes, options.namespace)
        sessions = LeaseSessions(
            options.namespace, options.clock, self._hints, lambda: self._session.id
        )
        self._watch = PostgresWatch(self._server, options.namespace, sessions)

    @property
    def limits(self) -> Limits:
        return LIMITS

    @property
    def session(self) -> str:
        return self._session.id

    async def __aenter__(self) -> Self:
        try:
            await self._renewals.run(self._open)
        except BaseException:
            await self._renewals.close()
            await self._server.close()
            raise
        self._server.opened()
        self._hints.start()
        self._watch.start()
        return self

    async def _open(self, db: Connection) -> None:
        await prepare(db, self._namespace, MECHANISM)
        await self._session.open(db)

    async def __aexit__(self, *exc: object) -> None:
        await self._watch.close()
        try:
            await self._hints.close()
            with suppress(BackendError):  # not reached: others end the session after its ttl
                await self._renewals.run(self._session.close)
        finally:
            await self._renewals.close()
            await self._lanes.close()
            await self._server.close()

    async def renew(self, keep: Collection[Claim]) -> Renewal:
        with self._session.under_way.renewing() as mark:
            call = RenewCall(tuple(keep), self._clock.now(), mark)
            return await self._renewals.run(lambda db: self._session.renew(db, call))

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
        after, changed = await self._lanes.run(lambda db: self._session.acquire(db, bid))
        self._watch.answered(after)
        if changed:
            self._hints.tell([election])
        return after

    async def release(self, term: Term) -> None:
        if await self._lanes.run(lambda db: self._session.release(db, term)):
            self._hints.tell([term.election])

    async def read(self, election: str) -> Snapshot:
        return await self._lanes.run(lambda db: self._session.read(db, election))

    def watch(self) -> AsyncGenerator[Snapshot | Synced, None]:
        return self._watch.watch()
