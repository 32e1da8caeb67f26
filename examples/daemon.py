"""A single writer that resumes from a checkpoint: it adds up 1, 2, 3, … and never skips one.

Position and total are one row, written under the fence. Kill it anywhere: whoever leads next goes
on from the last checkpoint, and a predecessor that wakes up late changes nothing.
"""

import argparse
import sqlite3
import time

import incumbent
from fence import Fenced, connect, writing
from program import arguments, end_by_exit, greet

ELECTION = "examples/daemon"
TABLE = "CREATE TABLE IF NOT EXISTS checkpoint (one INTEGER PRIMARY KEY, position INT, total INT)"


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--database", default="checkpoint.db")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds between two steps")
    options = parser.parse_args()
    end_by_exit()
    greet(options.node, options.gateway)
    with incumbent.Client(options.gateway, timeout=None) as client:
        for term in client.terms(ELECTION, candidate=options.node, ttl=2):
            with term:
                write(term, options)


def write(term: incumbent.Term, options: argparse.Namespace) -> None:
    """Go on from the checkpoint for as long as it leads."""
    db = connect(options.database, TABLE)
    try:
        position, total = resume(db, term.token)
        print(f"leads with token {term.token}, goes on from {position}", flush=True)
        while term.held:
            position, total = position + 1, total + position + 1
            advance(db, term.token, position, total)
            print(f"at {position}, total {total}", flush=True)
            time.sleep(options.pause)
    except Fenced as late:
        print(f"stops: {late}", flush=True)
    finally:
        db.close()


def resume(db: sqlite3.Connection, token: int) -> tuple[int, int]:
    """Shut former writers out, and read where the last one was: in one transaction.

    Read before the fence knows the new token, the checkpoint could still move afterwards.
    """
    with writing(db, ELECTION, token):
        row: tuple[int, int] | None = db.execute(
            "SELECT position, total FROM checkpoint"
        ).fetchone()
    return row or (0, 0)


def advance(db: sqlite3.Connection, token: int, position: int, total: int) -> None:
    """Write the checkpoint. Raises Fenced."""
    with writing(db, ELECTION, token):
        db.execute("REPLACE INTO checkpoint VALUES (1, ?, ?)", (position, total))


if __name__ == "__main__":
    main()
