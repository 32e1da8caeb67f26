"""The values that a ballot works with: who contends, what is asked of the store, what comes out."""

import math
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, NamedTuple

from incumbent_backends.api import Term
from incumbent_server.reasons import Reason
from incumbent_server.session import margin

Stream = Hashable  # names one Campaign stream, or somebody else who waits for a term to end
Farewell = Stream  # whom to tell that a release is done


CandidateState = Literal["waiting", "leading", "jeopardy"]
Census = dict[CandidateState, int]


class State(Enum):
    WAITING = "waiting"
    LEADING = "leading"
    JEOPARDY = "jeopardy"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Entry:
    """What an `enter` asked for, checked."""

    holder: str  # SHA-256 of the credential
    attempt: int
    candidate: str
    value: bytes | None
    ttl: float  # seconds
    keep: bool  # ON_DISCONNECT_KEEP
    no_wait: bool = False
    resume: int | None = None  # the token to go on with


class View(NamedTuple):
    """The whole present state of a candidacy, as its client is told."""

    state: State
    term: Term | None
    position: int = 0
    sequence: int = 0
    trust: float | None = None  # seconds, counted from message `sequence`; None: no such promise
    reason: Reason | None = None

    def because(self, reason: Reason) -> "View":
        return self._replace(reason=reason)


class Answer(NamedTuple):
    """What a heartbeat of a sound leader is answered with: its View in numbers."""

    term: Term
    trust: float  # seconds, counted from the heartbeat
    next_heartbeat_in: float  # seconds


@dataclass(slots=True, eq=False)
class Candidacy:
    """One credential on this gateway, under its newest enter."""

    entry: Entry
    stream: Stream | None  # None: nobody is connected
    heard: float  # the last message of any kind was read then; silence counts from here
    entered: float = 0.0  # the newest enter was read then
    counted: float = 0.0  # message `sequence` was read then; trust counts from here
    sequence: int = 0
    timed: bool = False  # silence past the ttl ends it
    ticket: int = 0  # its place in the order of arrival
    parting: bool = False  # told LOST by a drain, released once its client cannot believe
    leaving: list[Farewell] = field(default_factory=list)  # it asked to leave

    def __post_init__(self) -> None:
        self.entered = self.counted = self.heard
        self.timed = self.entry.keep

    @property
    def holder(self) -> str:
        return self.entry.holder

    def take(self, entry: Entry, stream: Stream, now: float) -> None:
        """Pass to a newer stream, whose `enter` is message 0."""
        self.entry, self.stream, self.timed = entry, stream, entry.keep
        self.heard = self.entered = self.counted = now
        self.sequence = 0

    def patience_ends(self) -> float:
        """Tell until when its silence is borne.

        A client whose further `enter` goes unanswered may trust older answers for one ttl from
        sending it, without a margin; so the margin for clocks that drift is given here.
        """
        ttl = self.entry.ttl
        again = self.entered + ttl + margin(ttl) if self.entry.attempt > 1 else -math.inf
        return max(self.heard + ttl, again)

    def present(self, now: float, patience: float) -> bool:
        """Whether its client is there to be told that it leads."""
        if self.stream is None or self.leaving:
            return False
        return not self.timed or now - self.heard <= patience

    def outdone_by(self, term: Term) -> bool:
        """Whether its own credential leads by an attempt that is not older."""
        return term.attempt >= self.entry.attempt

    def acquire(self, resume: int | None, value: bytes | None) -> "Acquire":
        entry = self.entry
        return Acquire(entry.holder, entry.attempt, entry.candidate, value, resume)


@dataclass(slots=True, eq=False)
class Seat:
    """The candidacy that leads here, with its term as the store has it."""

    candidacy: Candidacy
    term: Term
    wanted: bytes | None = None  # a proclaimed value that the store has not confirmed
    missing: bool = False  # a renewal did not find it

    @property
    def unconfirmed(self) -> bool:
        """Whether the store does not know the newest attempt yet, or missed the term."""
        return self.missing or self.term.attempt < self.candidacy.entry.attempt

    @property
    def trusted_elsewhere(self) -> float:
        """Until when its client may trust what another gateway told it before it entered here.

        That is one ttl from its `enter`, and no longer than a backend ttl: the term records the
        longest of those that have held it, unless it has led elsewhere since it was read.
        """
        entry = self.candidacy.entry
        if entry.attempt == 1:
            return -math.inf
        held = math.inf if self.unconfirmed else self.term.backend_ttl.total_seconds()
        longest = min(entry.ttl, held)
        return self.candidacy.entered + longest + margin(longest)


# -- what a ballot asks of the store, one at a time


@dataclass(frozen=True, slots=True)
class Acquire:
    holder: str
    attempt: int
    candidate: str
    value: bytes | None
    resume: int | None


@dataclass(frozen=True, slots=True)
class Release:
    term: Term


@dataclass(frozen=True, slots=True)
class Read:
    pass


Op = Acquire | Release | Read

# -- what a ballot tells


@dataclass(frozen=True, slots=True)
class Tell:
    """The view of this stream changed."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class End:
    """This stream is over: with `reason`, or well (None). `view` is its last message."""

    stream: Stream
    reason: Reason | None
    view: View | None
    term: Term | None = None  # the term that a resign ended


@dataclass(frozen=True, slots=True)
class Later:
    """Ask for the next operation again at this instant, not a hair earlier."""

    instant: float


@dataclass(frozen=True, slots=True)
class Won:
    term: Term
    resumed: bool  # it moved here, or was picked up again


@dataclass(frozen=True, slots=True)
class Gone:
    term: Term
    reason: Reason | None  # None: the stream broke and RELEASE was asked for


Effect = Tell | End | Later | Won | Gone
