"""A SQLite file that refuses writes of former leaders: the part that only the resource can do."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

TABLE = "CREATE TABLE IF NOT EXISTS fence (election TEXT PRIMARY KEY, token INTEGER NOT NULL)"


class Fenced(Exception):
    """A newer leader has been here: this write changed nothing."""


def connect(path: str, *tables: str) -> sqlite3.Connection:
    """Open the file, with the fence and these tables in it."""
    db = sqlite3.connect(path, isolation_level=None, timeout=5)
    for table in (TABLE, *tables):
        db.execute(table)
    return db


@contextmanager
def writing(db: sqlite3.Connection, election: str, token: int) -> Iterator[None]:
    """One transaction under `token`. Raises Fenced if a higher one was seen before."""
    db.execute("BEGIN IMMEDIATE")
    try:
        raised = db.execute(
            "INSERT INTO fence VALUES (?, ?) ON CONFLICT (election)"
            " DO UPDATE SET token = excluded.token WHERE token <= excluded.token",
            (election, token),
        ).rowcount
        if not raised:
            raise Fenced(f"token {token} of {election} is not the newest any more")
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
