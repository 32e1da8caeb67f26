"""The gateway's own lease in the store: how long it is good, and what clients may trust.

Pure values; every instant is a second of CLOCK_BOOTTIME of this process.

    confirmed ──────────── half ──────────── lost_at ── good_until
    SOUND                  JEOPARDY          LOST (told before any client's trust ends)
"""

from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache


@lru_cache(maxsize=1024)  # asked at every heartbeat, for a handful of ttls
def margin(ttl: float) -> float:
    """Seconds taken off a promise of `ttl` seconds, so that clocks within 1 % of true keep it."""
    return max(0.05, 0.02 * ttl)


class Standing(Enum):
    SOUND = "sound"  # renewed in time: bid, lead, promise
    JEOPARDY = "jeopardy"  # no renewal confirmed for half a backend ttl: keep, do not bid
    LOST = "lost"  # nothing may be believed any longer


@dataclass(frozen=True, slots=True)
class Session:
    name: str
    good_until: float  # until when the store has confirmed that it keeps the session
    backend_ttl: float  # seconds
    refused: bool = False  # the store rejects renewals: jeopardy at once
    jeopardy_at: float = field(init=False)
    trusted_until: float = field(init=False)  # no client's trust ends later
    lost_at: float = field(init=False)  # one margin before that

    def __post_init__(self) -> None:
        allowance = margin(self.backend_ttl)
        object.__setattr__(self, "jeopardy_at", self.good_until - self.backend_ttl / 2)
        object.__setattr__(self, "trusted_until", self.good_until - allowance)
        object.__setattr__(self, "lost_at", self.good_until - 2 * allowance)

    def standing(self, now: float) -> Standing:
        if now >= self.lost_at:
            return Standing.LOST
        if self.refused or now >= self.jeopardy_at:
            return Standing.JEOPARDY
        return Standing.SOUND

    def trust(self, since: float, ttl: float) -> float:
        """Seconds from `since` for which a client heard then may believe that it leads."""
        return max(0.0, min(ttl - margin(ttl), self.trusted_until - since))
