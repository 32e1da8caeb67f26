"""Reading the rows of a SQLite store."""

import json
import sqlite3
from collections.abc import Iterator

from incumbent_backends.api import Snapshot
from incumbent_backends.lease_rows import Row, snapshot
from incumbent_backends.statements import statements

SQL = statements("sqlite.sql")


def read_row(db: sqlite3.Connection, namespace: str, election: str) -> tuple[Row | None, Snapshot]:
    """Read one election: its row, dead or alive, and what it means now."""
    found = db.execute(SQL["read"], {"namespace": namespace, "election": election}).fetchone()
    if found is None:
        return None, snapshot(election, None, None)
    row = Row(*found[:-1])
    return row, snapshot(election, row, row.term() if found[-1] else None)


def decode_rows(text: str) -> Iterator[Row]:
    """Yield the rows of a JSON list, as `changes` and `rows_of` give them."""
    for fields in json.loads(text):
        fields[7] = bytes.fromhex(fields[7])
        yield Row(*fields)
