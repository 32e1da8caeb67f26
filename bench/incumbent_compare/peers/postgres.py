"""PostgreSQL without a gateway: a lease row, or an advisory lock that is polled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection

from incumbent_compare.contender import Contender
from incumbent_compare.peers.lease_row import TABLE, TTL, LeaseRow

POLL = 5.0  # seconds between the looks of who waits for an advisory lock

MAKE = f"""
    CREATE TABLE IF NOT EXISTS {TABLE} (
        election text PRIMARY KEY, holder text NOT NULL, expires timestamptz NOT NULL
    )
"""
_HOLD = f"""
    INSERT INTO {TABLE} AS lease VALUES (%s, %s, now() + interval '{TTL:g} s')
    ON CONFLICT (election) DO UPDATE SET holder = excluded.holder, expires = excluded.expires
    WHERE lease.holder = excluded.holder OR lease.expires < now()
"""
_FREE = f"DELETE FROM {TABLE} WHERE election = %s AND holder = %s"
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('incumbent-compare/' || %s, 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended('incumbent-compare/' || %s, 0))"

Connection = AsyncConnection[tuple[Any, ...]]


class PostgresRow(LeaseRow):
    """Its client has one connection, for all its leases."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    async def hold(self, election: str) -> bool:
        return (await self._connection.execute(_HOLD, (election, self._me))).rowcount == 1

    async def free(self, election: str) -> None:
        await self._connection.execute(_FREE, (election, self._me))


class AdvisoryLock(Contender):
    """Its client has one connection, whose session holds its locks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def campaign(self, election: str) -> None:
        while not await self._asked(_LOCK, election):
            await asyncio.sleep(POLL)

    async def resign(self, election: str) -> None:
        if not await self._asked(_UNLOCK, election):
            raise RuntimeError(f"the lock of {election} was lost")

    async def renew(self, election: str) -> None:
        """Ask whether the session lives: with it the lock does."""
        await self._connection.execute("SELECT 1")

    async def _asked(self, statement: str, election: str) -> bool:
        cursor = await self._connection.execute(statement, (election,))
        return (await cursor.fetchone()) == (True,)


@asynccontextmanager
async def row(conninfo: str) -> AsyncIterator[Contender]:
    async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
        contender = PostgresRow(connection)
        try:
            yield contender
        finally:
            await contender.stop()


@asynccontextmanager
async def advisory(conninfo: str) -> AsyncIterator[Contender]:
    async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
        yield AdvisoryLock(connection)
