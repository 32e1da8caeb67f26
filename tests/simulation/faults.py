"""The faults of a run, drawn from its seed before it starts."""

import random
from dataclasses import dataclass
from enum import StrEnum

from tests.simulation.world import dice

FAULTY = 20.0  # virtual seconds in which faults begin and end


class Kind(StrEnum):
    CLIENT_CRASH = "client crash"
    CLIENT_PAUSE = "client pause"
    GATEWAY_KILL = "gateway kill"
    GATEWAY_PAUSE = "gateway pause"
    GATEWAY_DRAIN = "gateway drain"
    STORE_DOWN = "store out of reach"
    STORE_MUTE = "store's answers lost"
    STORE_SLOW = "store slow"
    STORE_FLAKY = "store flaky"
    CUT_BOTH = "link cut"
    CUT_UP = "link cut, requests lost"
    CUT_DOWN = "link cut, answers lost"
    RESET = "streams reset"
    SLOW_LINKS = "links slow"
    DELETE = "record deleted by hand"
    REVOKE = "session deleted by hand"


WEIGHTS = {
    Kind.CLIENT_CRASH: 3,
    Kind.CLIENT_PAUSE: 3,
    Kind.GATEWAY_KILL: 3,
    Kind.GATEWAY_PAUSE: 3,
    Kind.GATEWAY_DRAIN: 2,
    Kind.STORE_DOWN: 2,
    Kind.STORE_MUTE: 2,
    Kind.STORE_SLOW: 3,
    Kind.STORE_FLAKY: 4,
    Kind.CUT_BOTH: 2,
    Kind.CUT_UP: 2,
    Kind.CUT_DOWN: 3,
    Kind.RESET: 2,
    Kind.SLOW_LINKS: 1,
    Kind.DELETE: 1,
    Kind.REVOKE: 1,
}


@dataclass(frozen=True, slots=True)
class Fault:
    at: float
    kind: Kind
    seconds: float
    client: int  # whom it hits, modulo how many there are
    gateway: int
    everywhere: bool  # a fault of the store hits every gateway
    quiet: bool  # the peers of who died are not told by the network
    strength: float  # 0 to 1

    def __str__(self) -> str:
        return f"{self.at:7.2f} {self.kind} for {self.seconds:.2f} s"


def draw(seed: int) -> list[Fault]:
    rng = dice(seed, "faults")
    number = rng.randint(3, 12)
    return sorted((_draw(rng) for _ in range(number)), key=lambda fault: fault.at)


def _draw(rng: random.Random) -> Fault:
    at = rng.uniform(0.5, FAULTY - 1)
    (kind,) = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))
    return Fault(
        at=at,
        kind=kind,
        seconds=min(FAULTY - at, rng.choice((0.2, 1.0, 3.0, 6.0)) * rng.uniform(0.5, 1.5)),
        client=rng.randrange(60),
        gateway=rng.randrange(60),
        everywhere=rng.random() < 0.4,
        quiet=rng.random() < 0.5,
        strength=rng.random(),
    )
