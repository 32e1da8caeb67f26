"""The first job on a PostgreSQL store: the tables, and the namespace's marker."""

from dataclasses import dataclass

import psycopg

from incumbent_backends.api import Rejected
from incumbent_backends.postgres_rows import Statements
from incumbent_backends.postgres_server import Connection
from incumbent_backends.statements import script

SCHEMA = script("postgres_schema.sql")  # of every mechanism


@dataclass(frozen=True, slots=True)
class Mechanism:
    """A way to lead by PostgreSQL; a namespace belongs to one, and its marker says to which."""

    name: str
    layout: int
    tables: tuple[str, ...]  # and views: what it cannot do without
    sql: Statements


async def prepare(connection: Connection, namespace: str, mechanism: Mechanism) -> None:
    """Make the tables if they are not there and write or check the marker; safe in many gateways.

    Rejected: no right to make them, another mechanism or layout, terms without their counter.
    """
    if not await _complete(connection, mechanism):
        await _make_tables(connection, mechanism)
    await _check_marker(connection, namespace, mechanism)
    await mechanism.sql.count(connection, "raise_counter", {"namespace": namespace})


async def _complete(connection: Connection, mechanism: Mechanism) -> bool:
    names = {"tables": list(mechanism.tables)}
    ((there,),) = await mechanism.sql.rows(connection, "tables", names)
    return int(there) == len(mechanism.tables)


async def _make_tables(connection: Connection, mechanism: Mechanism) -> None:
    try:
        async with connection.transaction():
            await mechanism.sql.rows(connection, "schema_lock", {})
            if not await _complete(connection, mechanism):
                await connection.execute(SCHEMA.encode())
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSchemaName) as error:
        raise Rejected(
            "Incumbent's tables are not there and this user may not make them; let their owner run"
            " what `incumbent-server schema postgres` prints, with the grants of docs/operations.md"
        ) from error


async def _check_marker(connection: Connection, namespace: str, mechanism: Mechanism) -> None:
    marker = (mechanism.name, mechanism.layout)
    names = {"namespace": namespace, "mechanism": mechanism.name, "layout": mechanism.layout}
    there = await mechanism.sql.rows(connection, "marked", names)
    if not there:
        ((leftovers,),) = await mechanism.sql.rows(connection, "leftovers", names)
        if leftovers:
            raise Rejected(
                f"the database holds terms of namespace {namespace!r} but no longer its row in"
                " incumbent_namespace; put that back with a last_token above every token ever"
                " granted"
            )
        await mechanism.sql.count(connection, "marker", names)
        there = await mechanism.sql.rows(connection, "marked", names)
    if there != [marker]:
        ((theirs, layout),) = there
        raise Rejected(
            f"namespace {namespace!r} of this database belongs to the mechanism {theirs!r},"
            f" layout {layout}; this gateway uses {mechanism.name!r}, layout {mechanism.layout}"
        )


def no_counter(namespace: str) -> Rejected:
    """Say that nothing can be granted, and how to mend it."""
    return Rejected(
        f"the row of namespace {namespace!r} in incumbent_namespace was deleted; put it back with a"
        " last_token above every token ever granted"
    )
