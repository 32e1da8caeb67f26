"""SQLite without a gateway: a lease row in a file of its own, on the same disk."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from incumbent_compare.contender import Contender
from incumbent_compare.peers.lease_row import TABLE, TTL, LeaseRow

MAKE = f"CREATE TABLE IF NOT EXISTS {TABLE} (election TEXT PRIMARY KEY, holder TEXT, expires REAL)"
_HOLD = f"""
    INSERT INTO {TABLE} VALUES (?1, ?2, ?3 + {TTL:g})
    ON CONFLICT (election) DO UPDATE SET holder = excluded.holder, expires = excluded.expires
    WHERE holder = excluded.holder OR expires < ?3
"""
_FREE = f"DELETE FROM {TABLE} WHERE election = ? AND holder = ?"


def connect(file: Path) -> sqlite3.Connection:
    """As durable as the gateway's own connection is."""
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=10)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


class SqliteRow(LeaseRow):
    """Its statements run on a thread of its own."""

    def __init__(self, connection: sqlite3.Connection, thread: ThreadPoolExecutor) -> None:
        super().__init__()
        self._connection, self._thread = connection, thread

    async def hold(self, election: str) -> bool:
        return await self._run(_HOLD, (election, self._me, time.time())) == 1

    async def free(self, election: str) -> None:
        await self._run(_FREE, (election, self._me))

    async def _run(self, statement: str, values: tuple[object, ...]) -> int:
        def run() -> int:
            return self._connection.execute(statement, values).rowcount

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)


@asynccontextmanager
async def row(file: Path) -> AsyncIterator[Contender]:
    with ThreadPoolExecutor(1) as thread:
        connection = connect(file)
        contender = SqliteRow(connection, thread)
        try:
            yield contender
        finally:
            await contender.stop()
            thread.submit(connection.close).result()
