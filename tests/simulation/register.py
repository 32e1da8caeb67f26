"""A fenced register: what leaders write to, guarded by nothing but the token."""

import random
from contextvars import Context

from tests.histories.events import Wrote
from tests.simulation.history import History
from tests.simulation.loop import SimLoop

LATE = 3.0  # seconds that a write may be under way


class Register:
    """Refuses any token below the highest one seen of that election."""

    def __init__(self, loop: SimLoop, rng: random.Random, history: History) -> None:
        self._loop, self._rng, self._history = loop, rng, history
        self._context = Context()
        self._highest: dict[str, int] = {}

    def write(self, election: str, token: int, by: str) -> None:
        delay = LATE * self._rng.random() ** 4
        self._loop.call_later(delay, self._arrive, election, token, by, context=self._context)

    def _arrive(self, election: str, token: int, by: str) -> None:
        taken = token >= self._highest.get(election, 0)
        if taken:
            self._highest[election] = token
        self._history.record(Wrote, "register", "register", election, token, by, taken)
