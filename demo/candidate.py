"""A candidate: `python -m demo.candidate`. While it leads it appends to the ledger.

What it does is told on its standard output, one JSON object a line, `tells` being one of

    campaigns    it is about to enter the election
    trusts       token, until: the end of trust has moved
    leads        token: it has been elected
    checked      token: it was told `held`, and waits for `go` before it writes
    wrote        token, taken: it wrote; the fence took it or refused it
    lost         token, reason: `held` was false
    resigned     token: it has left its term, and the store says so

SIGTERM ends it: it stops its work, resigns, and exits 0.
"""

import argparse
import json
import signal
import sys
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn

import incumbent
from demo.journal import Journal
from demo.ledger import Ledger
from demo.orders import Orders
from incumbent import OnDisconnect
from tests.histories.recorder import Recorder

PACE = 0.02  # seconds between two writes

_speaking = Lock()


def tell(tells: str, **fields: Any) -> None:
    """Say a line to the conductor; from any thread."""
    with _speaking:
        print(json.dumps({"tells": tells, **fields}), flush=True)


class Candidate:
    """Campaigns again and again, and does its work while it leads."""

    def __init__(
        self, name: str, election: str, ledger: Ledger, journal: Journal, orders: Orders
    ) -> None:
        self._name = name
        self._election = election
        self._ledger = ledger
        self._journal = journal
        self._orders = orders

    def run(self, client: incumbent.Client, *, ttl: float, on_disconnect: OnDisconnect) -> NoReturn:
        """Lead whenever it can, until SIGTERM."""
        while True:
            tell("campaigns")
            self._journal.enters()
            with client.campaign(
                self._election,
                candidate=self._name,
                ttl=ttl,
                on_disconnect=on_disconnect,
                on_trust=self._journal,
            ) as term:
                tell("leads", token=term.token)
                self._work(term)
            self._leave(client, term)

    def _work(self, term: incumbent.Term) -> None:
        """Write as long as each check says that it leads, or until it is to resign."""
        while self._journal.asks(term.token, lambda: term.held):
            self._orders.gate(lambda: tell("checked", token=term.token))
            taken = self._ledger.append(self._election, term.token, self._name)
            tell("wrote", token=term.token, taken=taken)
            if self._orders.to_resign():
                return
            term.lost.wait(PACE)
        tell("lost", token=term.token, reason=term.reason)

    def _leave(self, client: incumbent.Client, term: incumbent.Term) -> None:
        if self._journal.left(current=lambda: bool(client.verify(self._election, term.token))):
            tell("resigned", token=term.token)


def main() -> NoReturn:
    """Run until SIGTERM, or until the conductor is gone."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    parser = argparse.ArgumentParser(prog="python -m demo.candidate")
    parser.add_argument("name")
    parser.add_argument("--gateways", required=True)
    parser.add_argument("--election", required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--history", type=Path, required=True)
    parser.add_argument("--ttl", type=float, required=True)
    parser.add_argument("--on-disconnect", type=OnDisconnect, default=OnDisconnect.KEEP)
    options = parser.parse_args()
    journal = Journal(
        Recorder(options.history, options.name),
        options.election,
        guarded=options.on_disconnect is OnDisconnect.KEEP,
        tell=lambda token, until: tell("trusts", token=token, until=until),
    )
    ledger = Ledger(options.ledger)
    candidate = Candidate(options.name, options.election, ledger, journal, Orders())
    with incumbent.Client(options.gateways, timeout=None) as client:
        candidate.run(client, ttl=options.ttl, on_disconnect=options.on_disconnect)


if __name__ == "__main__":
    main()
