"""Reading the lease rows of a PostgreSQL store."""

from collections.abc import Mapping
from typing import Any

from incumbent_backends.api import Snapshot
from incumbent_backends.lease_rows import Row, snapshot
from incumbent_backends.postgres_server import Connection
from incumbent_backends.statements import statements

Names = Mapping[str, Any]

SQL = {name: text.encode() for name, text in statements("postgres_lease.sql").items()}


async def rows(connection: Connection, statement: str, names: Names) -> list[tuple[Any, ...]]:
    """Execute a statement that returns rows."""
    return await (await connection.execute(SQL[statement], names)).fetchall()


async def count(connection: Connection, statement: str, names: Names) -> int:
    """Execute a statement; return how many rows it touched."""
    return (await connection.execute(SQL[statement], names)).rowcount


async def read_row(
    connection: Connection, namespace: str, election: str
) -> tuple[Row | None, Snapshot]:
    """Read one election: its row, dead or alive, and what it means now."""
    found = await rows(connection, "read", {"namespace": namespace, "election": election})
    if not found:
        return None, snapshot(election, None, None)
    row = Row(*found[0][:-1])
    return row, snapshot(election, row, row.term() if found[0][-1] else None)
