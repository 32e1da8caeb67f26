"""A PostgreSQL, by lease rows or by advisory locks."""

from collections.abc import Awaitable
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import AsyncConnection, conninfo

from incumbent_backends.postgres_server import parse_url
from incumbent_compare.contender import Peer
from incumbent_compare.peers import lease_row
from incumbent_compare.peers import postgres as peers
from incumbent_compare.peers.lease_row import TABLE
from incumbent_compare.targets.target import Count, Target, Unreachable
from incumbent_compare.usage import server_at

# Each transaction that writes has a number of its own; reads have none.
_COUNT = (
    "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, pg_current_wal_lsn() - '0/0'"
)
_CLIENTS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
_TABLES = (
    ("incumbent_term", "namespace"),
    ("incumbent_lock_term", "namespace"),
    ("incumbent_session", "namespace"),
    ("incumbent_namespace", "name"),
)


class PostgresTarget(Target):
    """Its server is the same for both ways, and so are the tables."""

    name = "postgres"
    counts = "transactions that were given a number, in the whole server"

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(url, folder)
        self.conninfo = f"postgresql://{url.partition('://')[2]}"
        self._asks: AsyncConnection[tuple[Any, ...]] | None = None
        self.peers = self._peers()

    def _peers(self) -> tuple[Peer, ...]:
        return (lease_row.peer(partial(peers.row, self.conninfo)),)

    @classmethod
    def check(cls, url: str) -> str:
        parse_url(url)
        return f"{cls.name}://{url.partition('://')[2]}"

    async def prepare(self) -> str:
        try:
            self._asks = await self._connect()
            await self._asks.execute(peers.MAKE)
        except psycopg.Error as error:
            raise Unreachable(str(error).partition("\n")[0]) from error
        address = conninfo.conninfo_to_dict(self.conninfo)
        host, port = str(address.get("host", "localhost")), int(address.get("port") or 5432)
        self._pid = server_at(host, port, "postgres")
        ((version,),) = await self._rows("SHOW server_version")
        return str(version)

    async def count(self) -> Count:
        ((writes, log),) = await self._rows(_COUNT)
        return Count(float(writes), log_bytes=float(log))

    async def watches(self) -> float | None:
        ((clients,),) = await self._rows(_CLIENTS)
        return float(clients) - 1  # this one

    async def forget(self, namespace: str) -> None:
        async with await self._connect() as connection:
            for table, column in _TABLES:
                cursor = await connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table,))
                if await cursor.fetchone() == (True,):
                    delete = f"DELETE FROM {table} WHERE {column} = %s"
                    await connection.execute(delete, (namespace,))

    async def close(self) -> None:
        if self._asks is not None:
            await self._asks.close()
            async with await self._connect() as connection:
                await connection.execute(f"DROP TABLE IF EXISTS {TABLE}")

    def _connect(self) -> Awaitable[AsyncConnection[tuple[Any, ...]]]:
        """A new one: what was interrupted closes the one that it was on."""
        return AsyncConnection.connect(self.conninfo, autocommit=True, connect_timeout=10)

    async def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        assert self._asks is not None
        return await (await self._asks.execute(statement)).fetchall()


class AdvisoryTarget(PostgresTarget):
    """Its gateways hold session locks."""

    name = "postgres+advisory"
    terms = 2_000

    def _peers(self) -> tuple[Peer, ...]:
        return (
            Peer(
                f"advisory lock, polled every {peers.POLL:g} s",
                partial(peers.advisory, self.conninfo),
                polls=peers.POLL,
                expires=peers.POLL,
                renews="SELECT 1 on its session",
            ),
        )
