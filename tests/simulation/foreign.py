"""What clients do that are not the SDK, around its Candidacy: within the client rules, or nearly.

A language without the SDK may send no heartbeats (RELEASE), ask for a shorter ttl on a further
`enter` (rule 3 caps its trust), or go on listening to an older stream until the newer one answers.
"""

import math

from incumbent._state import Beat, Candidacy, Enter, Heard, Phase
from tests.simulation.legs import Leg

LEAST_TTL = 1.0


def shorten(state: Candidacy, now: float) -> None:
    """Ask for half the ttl from now on: rule 3."""
    state.ttl = max(LEAST_TTL, state.ttl / 2)
    if state.trusting:
        state.trusted_until = min(state.trusted_until, now + state.ttl)


class Silent(Candidacy):
    """Sends no heartbeats (RELEASE) and believes while its stream is open: only the token protects.

    Its `ttl` is endless here; what it asks the gateway for is not.
    """

    __slots__ = ()

    def next(self, now: float) -> Enter | Beat | None:
        self._beat_at = math.inf
        return super().next(now)

    def due(self) -> float:
        self._beat_at = math.inf
        return super().due()

    def heard(self, attempt: int, told: Heard, now: float) -> None:
        leads = told.phase in (Phase.LEADING, Phase.JEOPARDY)
        super().heard(attempt, told._replace(trust_for=math.inf if leads else None), now)


def overhear(state: Candidacy, told: Heard, older: Leg, newest: Leg, now: float) -> None:
    """Trust what an older stream says, until the newest answers; rule 3 caps it."""
    sent = older.sent.get(told.sequence)
    if sent is None or told.trust_for is None or not state.held(now) or state.token != told.token:
        return
    state.trusted_until = min(sent + told.trust_for, newest.sent[0] + state.ttl)
    state.held(now)
