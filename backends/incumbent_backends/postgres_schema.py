"""The first job on a PostgreSQL store: the tables, and the namespace's marker."""

import psycopg

from incumbent_backends.api import Rejected
from incumbent_backends.postgres_rows import SQL, rows
from incumbent_backends.postgres_server import Connection
from incumbent_backends.statements import script

MECHANISM = "postgres lease rows"
LAYOUT = 1
SCHEMA = script("postgres_lease_schema.sql")
_TABLES = 3


async def prepare(connection: Connection, namespace: str) -> None:
    """Make the tables if they are not there and write or check the marker; safe in many gateways.

    Rejected: no right to make them, another mechanism or layout, terms without their counter.
    """
    if await _tables(connection) < _TABLES:
        await _make_tables(connection)
    await _check_marker(connection, namespace)
    await connection.execute(SQL["raise_counter"], {"namespace": namespace})


async def _tables(connection: Connection) -> int:
    ((there,),) = await rows(connection, "tables", {})
    return int(there)


async def _make_tables(connection: Connection) -> None:
    try:
        async with connection.transaction():
            await connection.execute(SQL["schema_lock"])
            if await _tables(connection) < _TABLES:
                await connection.execute(SCHEMA.encode())
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSchemaName) as error:
        raise Rejected(
            "Incumbent's tables are not there and this user may not make them; let their owner run"
            " what `incumbent-server schema postgres` prints, with the grants of docs/operations.md"
        ) from error


async def _check_marker(connection: Connection, namespace: str) -> None:
    names = {"namespace": namespace, "mechanism": MECHANISM, "layout": LAYOUT}
    there = await rows(connection, "marked", names)
    if not there:
        ((leftovers,),) = await rows(connection, "leftovers", names)
        if leftovers:
            raise Rejected(
                f"the database holds terms of namespace {namespace!r} but no longer its row in"
                " incumbent_namespace; put that back with a last_token above every token ever"
                " granted"
            )
        await connection.execute(SQL["marker"], names)
        there = await rows(connection, "marked", names)
    if there != [(MECHANISM, LAYOUT)]:
        ((mechanism, layout),) = there
        raise Rejected(
            f"namespace {namespace!r} of this database belongs to the mechanism {mechanism!r},"
            f" layout {layout}; this gateway uses {MECHANISM!r}, layout {LAYOUT}"
        )
