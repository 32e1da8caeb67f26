"""What an event led to, and how long nobody wrote. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from demo.ledger import Write


@dataclass(frozen=True, slots=True)
class Led:
    """Who leads, by which token."""

    candidate: str
    token: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an event led to."""

    title: str
    within: float | None  # seconds in which there was to be a successor; None: no other leader
    before: Led
    after: Led
    begin: float  # instants
    end: float
    seen: str  # in few words


def vacancy(outcome: Outcome, writes: Sequence[Write]) -> float:
    """Measure the longest time around an event in which the ledger took no write, in seconds.

    It includes the pace of the writes. Infinite where there is no write before it or after it.
    """
    taken = [write.at for write in writes if write.taken]
    before = [at for at in taken if at <= outcome.begin][-1:]
    after = [at for at in taken if at >= outcome.end][:1]
    if not before or not after:
        return math.inf
    around = [at for at in taken if before[0] <= at <= after[0]]
    return max(b - a for a, b in pairwise(around))
