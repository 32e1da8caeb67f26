"""What happened in a run: the events in order, and who believed to lead, when."""

from dataclasses import dataclass, field

from tests.simulation.loop import SimLoop


@dataclass(frozen=True, slots=True)
class Event:
    at: float  # virtual seconds
    who: str
    what: str
    election: str = ""
    token: int = 0
    detail: str = ""

    def __str__(self) -> str:
        token = f"#{self.token}" if self.token else ""
        return (
            f"{self.at:10.4f}  {self.who:<9} {self.what:<12} {self.election:<4} {token:<5} "
            f"{self.detail}"
        ).rstrip()


@dataclass(slots=True)
class Belief:
    """One client's belief to lead under one token, in virtual time."""

    client: str
    election: str
    token: int
    begin: float
    end: float
    guarded: bool  # False: RELEASE, or no heartbeats: the token alone protects


@dataclass(slots=True)
class History:
    loop: SimLoop
    events: list[Event] = field(default_factory=list)
    beliefs: list[Belief] = field(default_factory=list)
    closed: bool = False
    by_hand: set[int] = field(default_factory=set)  # tokens whose record somebody deleted

    def note(
        self, who: str, what: str, election: str = "", token: int = 0, detail: str = ""
    ) -> None:
        if not self.closed:
            self.events.append(Event(self.loop.time(), who, what, election, token, detail))

    def believe(self, belief: Belief) -> Belief:
        self.beliefs.append(belief)
        return belief

    def fingerprint(self) -> tuple[object, ...]:
        return (*map(str, self.events), *map(repr, self.beliefs))
