"""A single writer that resumes from a checkpoint: it adds up 1, 2, 3, … and never skips one.

Position and total are one row, written under the fence. Kill it anywhere: whoever leads next goes
on from the last checkpoint, and a predecessor that wakes up late changes nothing.
"""

import argparse
import sqlite3
import time

import incumbent
from fence import Fenced, connect, writing

ELECTION = "examples/daemon"
TABLE = "CREATE TABLE IF NOT EXISTS checkpoint (one INTEGER PRIMARY KEY, position INT, total INT)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway", default="127.0.0.1:7400")
    parser.add_argument("--database", default="checkpoint.db")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds between two steps")
    options = parser.parse_args()
    with incumbent.Client(options.gateway, timeout=None) as client:
        for term in client.terms(ELECTION, ttl=2):
            with term:
                write(term, options)


def write(term: incumbent.Term, options: argparse.Namespace) -> None:
    """Go on from the checkpoint for as long as it leads."""
    db = connect(options.database, TABLE)
    try:
        position, total = resume(db)
        print(f"leads with token {term.token}, goes on from {position}", flush=True)
        while term.held:
            position, total = position + 1, total + position + 1
            with writing(db, ELECTION, term.token):
                db.execute("REPLACE INTO checkpoint VALUES (1, ?, ?)", (position, total))
            print(f"at {position}, total {total}", flush=True)
            time.sleep(options.pause)
    except Fenced as late:
        print(f"stops: {late}", flush=True)
    finally:
        db.close()


def resume(db: sqlite3.Connection) -> tuple[int, int]:
    """Read where the last writer was."""
    row: tuple[int, int] | None = db.execute("SELECT position, total FROM checkpoint").fetchone()
    return row or (0, 0)


if __name__ == "__main__":
    main()
