"""How much of everything a run does, and how long that takes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Counts of one repetition, unless they say otherwise."""

    repetitions: int = 5
    campaigns: int = 30
    turns: int = 8  # hand-overs of each kind
    kills: int = 4  # of RELEASE clients, one after the other
    keeps: int = 3  # KEEP clients that are killed at one time
    waits: int = 4  # elections that wait for each slow peer, side by side
    driven: float = 0.5  # seconds of heartbeats
    loads: tuple[tuple[int, int], ...] = ((500, 500),)  # streams, connections
    kept: tuple[int, ...] = (1_000,)  # terms with heartbeats at the gateway's pace
    half_closed: tuple[int, ...] = (1_000,)  # terms without
    held: float = 5.0  # seconds: one renewal of a session
    observers: tuple[int, ...] = (1, 1_000)
    changes: int = 3  # of the leader that is observed
    crowd: int = 200  # leaders that die at one time
    idle: int = 200  # elections with three candidates each
    idled: float = 3.0  # seconds
    churned: int = 0  # streams that come and go, in all; 0: that scenario is left out
    side_by_side: bool = True  # terms and idle elections of all stores at one time


QUICK = Sizes()
FULL = Sizes(
    campaigns=100,
    turns=40,
    kills=20,
    keeps=10,
    waits=10,
    driven=1.0,
    loads=((50, 50), (500, 500), (500, 10)),
    kept=(1_000, 5_000),
    half_closed=(1_000, 5_000, 20_000),
    held=10.0,
    observers=(1, 1_000, 10_000),
    changes=5,
    crowd=2_000,
    idle=1_000,
    idled=10.0,
    churned=100_000,
    side_by_side=False,
)
SMOKE = Sizes(
    repetitions=2,
    campaigns=2,
    turns=2,
    kills=1,
    keeps=1,
    waits=1,
    driven=0.05,
    loads=((5, 5),),
    kept=(10,),
    half_closed=(10,),
    held=0.5,
    observers=(1, 10),
    changes=1,
    crowd=5,
    idle=5,
    idled=0.3,
)
"""To try whether all of it works here; its figures say nothing."""
