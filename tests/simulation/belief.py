"""Until when a candidate may believe that it leads; every change of that is recorded."""

import math

from incumbent._state import Candidacy
from tests.histories.events import Broke, Ended, Granted, Trusted
from tests.simulation.history import History
from tests.simulation.world import SimWorld


class Belief:
    """Instants are on the candidate's own clock; the history has them in virtual time."""

    def __init__(self, history: History, world: SimWorld, who: str, election: str) -> None:
        self._history, self._world = history, world
        self._who, self._election = who, election
        self._token = 0
        self._until = -math.inf

    @property
    def on(self) -> bool:
        """Whether it believes, as far as was recorded."""
        return self._until > -math.inf

    def settle(self, state: Candidacy, sent: float | None, *, guarded: bool) -> bool:
        """Record what `state` believes, by the answer to what was sent then; whether it changed."""
        until = state.trusted_until
        if until == self._until:
            return False
        began, self._until = not self.on, until
        asked = None if sent is None else self._world.true(sent)
        if until == -math.inf:
            self._record_end(state.reason)
            return True
        assert state.token is not None
        if began and state.token == self._token:
            says = "leads again after its trust ran out"
            self._history.record(Broke, self._who, says, self._election, self._token)
        self._token = state.token
        trusted = self._world.true(until) if until < math.inf else None
        who = self._who, self._election, self._token
        if began:
            self._history.record(Granted, *who, trusted, guarded, asked)
        else:
            self._history.record(Trusted, *who, trusted, asked)
        return True

    def _record_end(self, reason: str) -> None:
        self._history.record(Ended, self._who, self._election, self._token, reason or "resigns")
