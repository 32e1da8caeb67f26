"""The faults of a run, drawn from its seed before it starts.

Each seed has its own mixture: some kinds often, some not at all. A run in which everything fails
all the time finds little, because nothing gets far enough to go wrong in an interesting way.
"""

import random
from dataclasses import dataclass
from enum import StrEnum

from tests.simulation.world import dice

FAULTY = 20.0  # virtual seconds in which faults begin and end


class Kind(StrEnum):
    CLIENT_CRASH = "client crash"
    CLIENT_PAUSE = "client pause"
    CLIENT_MOVES = "client moves"
    BOOMERANG = "client moves away and back, unseen"
    GATEWAY_KILL = "gateway kill"
    GATEWAY_PAUSE = "gateway pause"
    GATEWAY_DRAIN = "gateway drain"
    ROLLING = "rolling restart"
    STORE_DOWN = "store out of reach"
    STORE_MUTE = "store's answers lost"
    STORE_SLOW = "store slow"
    STORE_FLAKY = "store flaky"
    STORE_RESTART = "store restart"
    STORE_RELENTS = "store back as the session is lost"
    CUT_BOTH = "link cut"
    CUT_UP = "link cut, requests lost"
    CUT_DOWN = "link cut, answers lost"
    RESET = "streams reset"
    SLOW_LINKS = "links slow"
    DELETE = "record deleted by hand"
    REVOKE = "session deleted by hand"
    RESIGN = "resigned from outside"
    OLD_CREDENTIAL = "old credential used"
    WRONG_TOKEN = "wrong token resumed"
    THEFT = "credential stolen"
    LAST_PROMISE = "gateway stops after all was promised"
    LATE_MOVE = "client moves to where the session is being lost"
    WITHDRAWALS = "who waits gives up as it is bid for"
    OBITUARY = "session ended as its gateway comes back"


NETWORK = (Kind.CUT_BOTH, Kind.CUT_UP, Kind.CUT_DOWN, Kind.RESET, Kind.SLOW_LINKS)
STORE = (
    Kind.STORE_DOWN,
    Kind.STORE_MUTE,
    Kind.STORE_SLOW,
    Kind.STORE_FLAKY,
    Kind.STORE_RESTART,
    Kind.STORE_RELENTS,
)
COMPANY = 0.5  # the chance that a fault comes soon after another
COMMON = 3.0
WEIGHTS = dict.fromkeys(Kind, COMMON) | {
    Kind.ROLLING: 1.0,
    Kind.SLOW_LINKS: 1.0,
    Kind.STORE_RESTART: 1.0,
    Kind.DELETE: 1.0,
    Kind.REVOKE: 1.0,
    Kind.WRONG_TOKEN: 1.0,
    Kind.THEFT: 1.0,
}
VERBS = (  # what of the store a fault of it hits; nothing named: all
    *((),) * 3,
    ("acquire",),
    ("acquire", "release"),
    ("release",),
    ("renew",),
    ("read", "watch"),
    ("watch",),
    ("expire",),
)


@dataclass(frozen=True, slots=True)
class Fault:
    at: float
    kind: Kind
    seconds: float
    client: int  # whom it hits, modulo how many there are
    gateway: int
    everywhere: bool  # a fault of store or links concerns every gateway
    quiet: bool  # the peers of who died are not told by the network
    strength: float  # 0 to 1
    verbs: tuple[str, ...]  # of the store
    aimed: bool  # it hits who leads, and the gateway of that

    def __str__(self) -> str:
        return f"{self.at:7.2f} {self.kind} for {self.seconds:.2f} s"


def draw(seed: int) -> list[Fault]:
    rng = dice(seed, "faults")
    mixture = {kind: weight * rng.random() ** 3 for kind, weight in WEIGHTS.items()}
    drawn: list[Fault] = []
    for _ in range(rng.randint(3, 12)):
        at = rng.uniform(0.5, FAULTY - 1)
        if drawn and rng.random() < COMPANY:  # two at one time break what each alone does not
            at = min(FAULTY - 0.5, drawn[-1].at + rng.expovariate(2))
        drawn.append(_draw(rng, mixture, at))
    return sorted(drawn, key=lambda fault: fault.at)


def _draw(rng: random.Random, mixture: dict[Kind, float], at: float) -> Fault:
    (kind,) = rng.choices(list(mixture), list(mixture.values()))
    return Fault(
        at=at,
        kind=kind,
        seconds=min(FAULTY - at, rng.choice((0.2, 1.0, 3.0, 6.0)) * rng.uniform(0.5, 1.5)),
        client=rng.randrange(60),
        gateway=rng.randrange(60),
        everywhere=rng.random() < 0.4,
        quiet=rng.random() < 0.5,
        strength=rng.random(),
        verbs=rng.choice(VERBS),
        aimed=rng.random() < 0.6,
    )
