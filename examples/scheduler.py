"""A workflow scheduler with hot standbys: every slot runs once, by whoever leads.

Run it two or three times on one database, and kill the one that prints. Slots that nobody ran
meanwhile are made up for, up to --backlog of them. A run is a row, written under the fence in one
transaction. Work outside of the database cannot be part of that: begun before the row is written
it may run twice, begun after it perhaps never.
"""

import argparse
import sqlite3
import time

import incumbent
from fence import Fenced, connect, writing
from program import arguments, end_by_exit, greet

ELECTION = "examples/scheduler"
RUNS = (
    "CREATE TABLE IF NOT EXISTS run"
    " (every REAL, slot INTEGER, token INTEGER, node TEXT, PRIMARY KEY (every, slot))"
)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--database", default="runs.db")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two slots")
    parser.add_argument("--backlog", type=int, default=60, help="how many missed slots still run")
    options = parser.parse_args()
    end_by_exit()
    greet(options.node, options.gateway)
    with incumbent.Client(options.gateway, timeout=None) as client:
        for term in client.terms(ELECTION, candidate=options.node, ttl=2):
            print(f"{options.node} leads, token {term.token}", flush=True)
            with term:
                schedule(term, options)
            print(f"{options.node} stands by", flush=True)


def schedule(term: incumbent.Term, options: argparse.Namespace) -> None:
    """Run what is due for as long as it leads."""
    db = connect(options.database, RUNS)
    try:
        while term.held:
            term.guard(min_remaining=0.5)  # the time that a run takes
            now = int(time.time() / options.every)
            with writing(db, ELECTION, term.token):
                slot = due(db, options.every, now, options.backlog)
                if slot <= now:
                    run = (options.every, slot, term.token, options.node)
                    db.execute("INSERT INTO run VALUES (?, ?, ?, ?)", run)
            if slot <= now:
                print(f"{options.node} ran slot {slot}", flush=True)
            else:
                term.lost.wait(max(0.0, slot * options.every - time.time()))
    except (incumbent.LeadershipLost, Fenced) as over:
        print(f"{options.node} stops: {over}", flush=True)
    finally:
        db.close()


def due(db: sqlite3.Connection, every: float, now: int, backlog: int) -> int:
    """Find the slot that comes after the last one that ran; the present one on a new database."""
    ((last,),) = db.execute("SELECT max(slot) FROM run WHERE every = ?", (every,))
    return now if last is None else max(int(last) + 1, now - backlog)


if __name__ == "__main__":
    main()
