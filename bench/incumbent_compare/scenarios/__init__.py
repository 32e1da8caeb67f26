"""What is compared. Each scenario runs on one store, its ways in turn, and yields series.

`run` has the machine to itself. `waits` is what mostly waits: that of several stores goes side by
side where `Sizes` allow it, so that the wait is paid once.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from incumbent_compare.results import Series
from incumbent_compare.scenarios import (
    campaign,
    churn,
    crowd,
    failover,
    handover,
    heartbeats,
    idle,
    observers,
    terms,
)
from incumbent_compare.setting import Setting

Part = Callable[[Setting], Awaitable[list[Series]]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One of them; `seconds` is what a store takes of a quick run, for the plan of time."""

    run: Part | None = None
    waits: Part | None = None
    heavy: bool = False
    """Its waits keep the machine busy in a full run: one store after the other there."""
    quick: bool = True
    """Whether a quick run has it."""
    seconds: float = 0.0
    waiting: float = 0.0
    """Seconds of a quick run in which all stores wait side by side."""


SCENARIOS: dict[str, Scenario] = {
    "campaign": Scenario(campaign.run, seconds=8),
    "handover": Scenario(handover.run, handover.waits, seconds=25, waiting=22),
    "failover": Scenario(failover.run, failover.waits, seconds=18, waiting=75),
    "heartbeats": Scenario(heartbeats.run, seconds=15),
    "terms": Scenario(waits=terms.waits, heavy=True, waiting=110),
    "observers": Scenario(observers.run, seconds=15),
    "crowd": Scenario(crowd.run, seconds=18),
    "idle": Scenario(waits=idle.waits, heavy=True, waiting=35),
    "churn": Scenario(churn.run, quick=False, seconds=20),
}
