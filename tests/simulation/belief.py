"""Until when a candidate may believe that it leads; every change of that is recorded."""

import math

from tests.histories.events import Ended, Granted, Trusted
from tests.simulation.history import History
from tests.simulation.world import SimWorld


class Belief:
    """Instants are on the candidate's own clock; the history has them in virtual time."""

    def __init__(self, history: History, world: SimWorld, who: str, election: str) -> None:
        self._history, self._world = history, world
        self._who, self._election = who, election
        self._token = 0
        self.on = False
        self.until = -math.inf  # inf: no trust is counted

    def begin(self, token: int, until: float, sent: float, *, guarded: bool) -> None:
        """Believe, by the answer to what was sent at `sent`."""
        self.on, self._token, self.until = True, token, until
        trusted, asked = self._true(until), self._true(sent)
        self._history.record(Granted, self._who, self._election, token, trusted, guarded, asked)

    def trust(self, until: float, sent: float | None = None) -> None:
        """Believe until then, by the answer to what was sent at `sent`, if any answer says so."""
        self.until = until
        trusted, asked = self._true(until), None if sent is None else self._true(sent)
        self._history.record(Trusted, self._who, self._election, self._token, trusted, asked)

    def end(self, reason: str) -> None:
        if self.on:
            self.on = False
            self._history.record(Ended, self._who, self._election, self._token, reason)

    def _true(self, instant: float) -> float | None:
        return self._world.true(instant) if instant < math.inf else None
