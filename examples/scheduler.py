"""A workflow scheduler with hot standbys: every slot runs once, by whoever leads.

Run it two or three times on one database, and kill the one that prints.
"""

import argparse
import time

import incumbent
from fence import Fenced, connect, writing

ELECTION = "examples/scheduler"
RUNS = "CREATE TABLE IF NOT EXISTS run (slot INTEGER PRIMARY KEY, token INTEGER, node TEXT)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway", default="127.0.0.1:7400")
    parser.add_argument("--database", default="runs.db")
    parser.add_argument("--node", default="node")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two slots")
    options = parser.parse_args()
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
            slot = int(time.time() / options.every)
            term.guard(min_remaining=0.5)  # the time that a run takes
            with writing(db, ELECTION, term.token):
                run = (slot, term.token, options.node)
                new = db.execute("INSERT OR IGNORE INTO run VALUES (?, ?, ?)", run).rowcount
            if new:
                print(f"{options.node} ran slot {slot}", flush=True)
            term.lost.wait(max(0.0, (slot + 1) * options.every - time.time()))
    except (incumbent.LeadershipLost, Fenced) as over:
        print(f"{options.node} stops: {over}", flush=True)
    finally:
        db.close()


if __name__ == "__main__":
    main()
