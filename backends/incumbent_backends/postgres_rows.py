"""Asking a PostgreSQL store: the statements of a mechanism, and reading one election's row."""

from collections.abc import Mapping
from typing import Any

from incumbent_backends.api import Snapshot
from incumbent_backends.lease_rows import Row, snapshot
from incumbent_backends.postgres_server import Connection
from incumbent_backends.statements import statements

Names = Mapping[str, Any]


class Statements:
    """The statements of one mechanism's file under sql/, and those that all of them share."""

    def __init__(self, file: str) -> None:
        texts = {**statements("postgres.sql"), **statements(file)}
        self._texts = {name: text.encode() for name, text in texts.items()}

    async def rows(
        self, connection: Connection, statement: str, names: Names
    ) -> list[tuple[Any, ...]]:
        """Execute a statement that returns rows."""
        return await (await connection.execute(self._texts[statement], names)).fetchall()

    async def count(self, connection: Connection, statement: str, names: Names) -> int:
        """Execute a statement; return how many rows it touched."""
        return (await connection.execute(self._texts[statement], names)).rowcount

    async def read_row(
        self, connection: Connection, namespace: str, election: str
    ) -> tuple[Row | None, Snapshot]:
        """Read one election: its row, dead or alive, and what it means now."""
        names = {"namespace": namespace, "election": election}
        found = await self.rows(connection, "read", names)
        if not found:
            return None, snapshot(election, None, None)
        row = Row(*found[0][:-1])
        return row, snapshot(election, row, row.term() if found[0][-1] else None)


LEASE = Statements("postgres_lease.sql")
rows, count, read_row = LEASE.rows, LEASE.count, LEASE.read_row
