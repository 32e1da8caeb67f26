"""The ledger: a SQLite file behind a fence, which every candidate writes to.

The fence is the highest token that it has seen. A write with a lower one is refused in the very
transaction that would have made it, so no pause between a check and a write does any harm. What is
refused is kept as well, apart, so that it can be counted.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.histories.recorder import now

BUSY = 10.0  # seconds to wait for another process's write
SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE fence (election TEXT PRIMARY KEY, token INTEGER NOT NULL);
CREATE TABLE entry (at REAL, election TEXT, token INTEGER, candidate TEXT);
CREATE TABLE refusal (at REAL, election TEXT, token INTEGER, candidate TEXT);
"""
FENCE = """
INSERT INTO fence VALUES (:election, :token)
ON CONFLICT (election) DO UPDATE SET token = :token WHERE token <= :token
"""
KEEP = "INSERT INTO {} VALUES (:at, :election, :token, :candidate)"
READ = """
SELECT at, election, token, candidate, 1 FROM entry
UNION ALL SELECT at, election, token, candidate, 0 FROM refusal ORDER BY at
"""


@dataclass(frozen=True, slots=True)
class Write:
    """One write that reached the ledger, and whether it was taken."""

    at: float  # the instant at which the ledger decided
    election: str
    token: int
    candidate: str
    taken: bool


class Ledger:
    """A connection to the ledger of a file; each process has its own."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, timeout=BUSY, isolation_level=None)

    @classmethod
    def create(cls, path: Path) -> "Ledger":
        """Make an empty one."""
        ledger = cls(path)
        ledger._db.executescript(SCHEMA)
        return ledger

    def append(self, election: str, token: int, candidate: str) -> bool:
        """Write an entry; False if the fence has seen a higher token, and nothing was entered."""
        with self._alone():
            write = {"at": now(), "election": election, "token": token, "candidate": candidate}
            taken = self._db.execute(FENCE, write).rowcount == 1
            self._db.execute(KEEP.format("entry" if taken else "refusal"), write)
        return taken

    def writes(self) -> Sequence[Write]:
        """Read all that ever reached it, in the order in which it was decided."""
        rows = self._db.execute(READ).fetchall()
        return [Write(row[0], row[1], row[2], row[3], taken=bool(row[4])) for row in rows]

    def close(self) -> None:
        """Close this connection."""
        self._db.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """A transaction that holds the write lock from its beginning."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
