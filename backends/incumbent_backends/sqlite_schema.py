"""The first transaction on a SQLite file: tables, their shape, and the namespace's marker."""

import sqlite3

from incumbent_backends.api import Rejected
from incumbent_backends.sqlite_file import SqliteFile
from incumbent_backends.sqlite_rows import SQL
from incumbent_backends.sqlite_thread import writing
from incumbent_backends.statements import script

MECHANISM = "sqlite lease rows"
LAYOUT = 1
APPLICATION_ID = 0x494E4342  # "INCB", for file(1); set in files that hold nothing else

_SCHEMA = script("sqlite_schema.sql")


def prepare(db: sqlite3.Connection, file: SqliteFile, namespace: str) -> None:
    """Make the tables if they are not there and write or check the marker; safe in many processes.

    Rejected: JSON or WAL cannot be had, tables of another shape, another mechanism or layout.
    """
    _check_json(db)
    _use_wal(db, file)
    with writing(db):
        if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        _check_shape(db, file)
        _create_tables(db)
        _check_marker(db, file, namespace)
        db.execute(SQL["raise_counters"], {"namespace": namespace})


def _check_json(db: sqlite3.Connection) -> None:
    try:
        db.execute("SELECT json_group_array(json_array(1)) WHERE 0").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        raise Rejected("this Python's SQLite was built without its JSON functions") from error


def _use_wal(db: sqlite3.Connection, file: SqliteFile) -> None:
    ((mode,),) = db.execute("PRAGMA journal_mode = WAL").fetchall()
    if mode != "wal":
        raise Rejected(f"{file} cannot use a write-ahead log here (its journal stays {mode!r})")


def _create_tables(db: sqlite3.Connection) -> None:
    # not executescript(): it would commit first
    statement = ""
    for line in _SCHEMA.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""


def _check_shape(db: sqlite3.Connection, file: SqliteFile) -> None:
    """Compare tables that are there with those that the script makes in an empty database."""
    model = sqlite3.connect(":memory:", isolation_level=None)
    try:
        _create_tables(model)
        expected = model.execute(SQL["shape"]).fetchall()
    finally:
        model.close()
    found = db.execute(SQL["shape"]).fetchall()
    there = {row[0] for row in found}
    other = set(found).symmetric_difference(row for row in expected if row[0] in there)
    if other:
        names = ", ".join(sorted({row[0] for row in other}))
        raise Rejected(f"{file} holds tables of another shape under our names: {names}")


def _check_marker(db: sqlite3.Connection, file: SqliteFile, namespace: str) -> None:
    names: dict[str, object] = {"namespace": namespace}
    if db.execute(SQL["leftovers"], names).fetchone()[0]:
        raise Rejected(
            f"{file} holds terms of namespace {namespace!r} but no longer its row in"
            " incumbent_namespace; put that back with a last_token above every token ever granted"
        )
    db.execute(SQL["marker"], names | {"mechanism": MECHANISM, "layout": LAYOUT})
    there = db.execute(SQL["marked"], names).fetchone()
    if there != (MECHANISM, LAYOUT):
        raise Rejected(
            f"namespace {namespace!r} of {file} belongs to the mechanism {there[0]!r}, layout"
            f" {there[1]}; this gateway uses {MECHANISM!r}, layout {LAYOUT}"
        )
