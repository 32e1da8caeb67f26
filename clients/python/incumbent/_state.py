"""What a candidate may believe, from what it sent and what it heard. Pure: instants come in.

A Candidacy is one credential. It keeps the client rules of docs/clients.md:

    JOINING ──► WAITING ──► LEADING ◄──► JEOPARDY
       │           │           │             │
       └───────────┴───────────┴─────────────┴──► OVER   (lost, resigned, refused: for good)

Whoever drives it asks `next` what to send, hands that over, and calls `heard` and `ended` with
what comes back; `due` says when to ask again. Instants are seconds of CLOCK_BOOTTIME, durations
are seconds.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

PATIENCE = 3  # no answer for 1 / PATIENCE of the trust: enter at the next gateway
WAITS = (1.0, 3.0)  # seconds to wait for an answer while no trust runs: least, most
LONGER = 4  # times as long an `enter` may be waited for after failures
PAUSE = 10  # 1 / PAUSE of the trust lies between two enters that nobody forced
BACKOFF = (0.05, 1.0)  # seconds before entering again once every gateway has failed: first, most
DOUBLINGS = 5  # from the first to the most
AGAIN = 0.05  # seconds between two messages that follow each other, at least

TRUST_EXPIRED = "TRUST_EXPIRED"
DISCONNECTED = "DISCONNECTED"
UNREACHABLE = "UNREACHABLE"
DRAINING = "GATEWAY_DRAINING"
REFUSALS = frozenset(
    (
        "INVALID_ARGUMENT",
        "FAILED_PRECONDITION",
        "RESOURCE_EXHAUSTED",
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
    )
)


class Phase(Enum):
    """Where a candidacy stands, as its client sees it."""

    JOINING = "joining"
    WAITING = "waiting"
    LEADING = "leading"
    JEOPARDY = "jeopardy"
    OVER = "over"


class Heard(NamedTuple):
    """A gateway's message without the wire; OVER is LOST. None is unset."""

    phase: Phase
    token: int
    sequence: int
    trust_for: float | None
    next_heartbeat_in: float | None
    reason: str


class Enter(NamedTuple):
    """A stream to be opened: at the gateway of this number, as this attempt."""

    gateway: int
    attempt: int
    resume_token: int | None


class Beat(NamedTuple):
    """A heartbeat to be sent on the newest stream."""

    sequence: int


@dataclass(slots=True)
class Candidacy:
    """One credential at one of `gateways` gateways.

    `ttl` is what they are asked for. `patience` is for how long no gateway at all need answer
    while no trust runs. `jitter` draws from 0 to 1.
    """

    ttl: float
    gateways: int
    keep: bool = True
    patience: float = math.inf
    jitter: Callable[[], float] = lambda: 1.0
    gateway: int = 0  # that of the newest stream
    phase: Phase = Phase.JOINING
    token: int | None = None  # of the term that it was told is its own
    trusted_until: float = -math.inf  # it leads until then; -inf where it does not
    reason: str = ""  # why it is OVER; "" after a resign
    refused: str = ""  # the status by which a gateway refused it
    attempt: int = 0
    answered: bool = False  # the newest stream has brought a message
    _trust: float = 0.0  # as last granted
    _sent: dict[int, float] = field(default_factory=dict)  # from the last that was answered on
    _enter_at: float = -math.inf
    _entered: float = -math.inf
    _beat_at: float = math.inf
    _troubled: float = math.inf  # since when no gateway answers
    _failures: int = 0  # streams on end that did not last
    _full: set[int] = field(default_factory=set)  # gateways that have no room, since one answered

    @property
    def trusting(self) -> bool:
        """Whether trust was granted and is not known to be over."""
        return self.trusted_until > -math.inf

    @property
    def over(self) -> bool:
        """Whether it ended, for good."""
        return self.phase is Phase.OVER

    # -- what it may believe

    def held(self, now: float) -> bool:
        """Tell whether it leads at this instant. Once trust has run out it never does again."""
        if now >= self.trusted_until and self.trusting:
            self._end(TRUST_EXPIRED)
        return self.trusting

    def resign(self) -> None:
        """Believe no longer, on every stream. To be called before the resign is sent."""
        if not self.over:
            self._end("")

    # -- what it sends: read the clock, ask, hand the message over

    def next(self, now: float) -> Enter | Beat | None:
        """Tell what is to be sent now, and count it as sent now."""
        self.held(now)
        if not self.over and now >= self._troubled + self.patience and not self.trusting:
            self._end(UNREACHABLE)
        if self.over:
            return None
        if now >= self._late_at():
            self._fail(now)
            self._enter_at = now  # the pace of this is the patience itself
        if now >= self._enter_at:
            return self._enter(now)
        if now >= self._beat_at:
            self._beat_at = math.inf
            sequence = max(self._sent) + 1
            self._sent[sequence] = now
            return Beat(sequence)
        return None

    def due(self) -> float:
        """Tell the instant at which `next` has something to do unless something is heard first."""
        if self.over:
            return math.inf
        over_at = self.trusted_until if self.trusting else self._troubled + self.patience
        return min(self._enter_at, self._beat_at, self._late_at(), over_at)

    def _enter(self, now: float) -> Enter:
        if self.attempt:
            self.gateway = (self.gateway + 1) % self.gateways
        self.attempt += 1
        self.answered = False
        self._sent = {0: now}
        self._entered = now
        self._enter_at = math.inf
        self._beat_at = math.inf if self.keep else now  # RELEASE: the first one brings the trust
        self._troubled = min(self._troubled, now)
        return Enter(self.gateway, self.attempt, self.token)

    def _late_at(self) -> float:
        """Tell when the oldest unanswered message is unanswered for too long."""
        waiting = list(self._sent.values())[self.answered : self.answered + 1]
        if not waiting:
            return math.inf
        if self.trusting:
            return waiting[0] + max(AGAIN, self._trust / PATIENCE)
        least, most = WAITS
        wait = min(max(least, self.ttl / PATIENCE), most)
        if not self.answered:  # each gateway has its turn before patience ends
            wait *= min(1 + self._failures, LONGER)
            wait = min(wait, max(AGAIN, self.patience / self.gateways))
        return waiting[0] + wait

    # -- what it hears

    def heard(self, attempt: int, told: Heard, now: float) -> None:
        """Take in a message of the stream of `attempt`; an older stream's counts no longer."""
        if attempt != self.attempt or self.over or not self._sent:
            return
        if self.trusting and not self.held(now):
            return
        sent = self._sent.get(told.sequence, -math.inf)  # what was never sent brings no trust
        self._sent = {n: at for n, at in self._sent.items() if n >= told.sequence} or self._sent
        self.answered = True
        self._troubled = math.inf
        self._full.clear()
        if told.phase is Phase.OVER:
            self._end(told.reason or "ABORTED")
        elif told.phase is not Phase.WAITING:
            self._lead(told, sent, now)
        elif self.token is None:
            self.phase = Phase.WAITING
        else:
            self._end("EXPIRED")  # there is no way back from a term
        if not self.over:
            self._plan(told, now)

    def _lead(self, told: Heard, sent: float, now: float) -> None:
        if not told.token or self.token not in (None, told.token):
            self._end("EXPIRED")  # not this term, or none that a resource could tell from others
            return
        self.phase, self.token = told.phase, told.token
        if not (self.keep or told.sequence) and told.trust_for is None:
            return  # the open stream is the proof, until the first heartbeat; no trust is added
        # No gateway promises more than the ttl. Held to it, trust also keeps the rule that an
        # `enter` caps all that was given before at its own sending plus the ttl.
        until = sent + min(told.trust_for or 0.0, self.ttl)
        if now < until:
            self._trust, self.trusted_until = until - sent, until
        elif self.trusting:
            self._end(TRUST_EXPIRED)

    def _plan(self, told: Heard, now: float) -> None:
        """Set the next heartbeat, and the next enter where this gateway is not to be stayed at."""
        if len(self._sent) == 1:  # one at a time
            self._beat_at = max(self._beat_due(told, now), max(self._sent.values()) + AGAIN)
        leaves = self.phase is Phase.JEOPARDY and self.gateways > 1
        if leaves or told.reason == DRAINING:
            self._enter_at = max(now, self._entered + self._spacing())
        else:
            self._enter_at = math.inf

    def _beat_due(self, told: Heard, now: float) -> float:
        """Tell when a heartbeat is due; what comes unasked brings it forward, never puts it off."""
        if self.phase is not Phase.WAITING and not self.trusting:
            return now
        pace = self.ttl / PATIENCE
        if told.next_heartbeat_in is not None:
            pace = min(pace, told.next_heartbeat_in)
        third_left = self.trusted_until - self._trust / PATIENCE if self.trusting else math.inf
        return min(self._beat_at, now + pace, third_left)

    def ended(self, attempt: int, status: str, reason: str, now: float) -> None:
        """Take in the end of the stream of `attempt`: its gRPC status, and the gateway's word."""
        if self.over:
            return
        if attempt != self.attempt:
            if not self.answered and self._released(status, reason):
                self._end(DISCONNECTED)
        elif status == "ABORTED":
            self._end(reason or status)
        elif self._released(status, reason):
            self._end(DISCONNECTED)
        elif not self.trusting and self._refused(status):
            self.refused = status
            self._end(reason or status)
        else:
            self._fail(now)
            self._enter_at = now + self._pause()

    def _released(self, status: str, reason: str) -> bool:
        """Whether this end of a stream may have ended a RELEASE term.

        ABORTED on an older stream, and UNAVAILABLE by the gateway's own word, do not.
        """
        spared = status == "ABORTED" or (status == "UNAVAILABLE" and reason != "")
        return self.token is not None and not self.keep and not spared

    def _refused(self, status: str) -> bool:
        """Whether no gateway will have it; one that is full is no refusal by the others."""
        if status == "RESOURCE_EXHAUSTED":
            self._full.add(self.gateway)
            return len(self._full) == self.gateways
        return status in REFUSALS

    def _fail(self, now: float) -> None:
        lasted = self.answered and now >= self._entered + BACKOFF[1]
        self._failures = 1 if lasted else self._failures + 1
        self._troubled = min(self._troubled, now)
        self._beat_at = math.inf
        self._sent = {}

    def _pause(self) -> float:
        """Go to the next gateway at once, but round and round ever more slowly."""
        rounds = self._failures // self.gateways
        if not rounds:
            return 0.0
        first, most = BACKOFF
        pause = min(most, first * 2.0 ** min(rounds - 1, DOUBLINGS))
        return min(pause * (0.5 + self.jitter() / 2), self._spacing())

    def _spacing(self) -> float:
        """Tell how far apart enters lie at most, and at least where no gateway failed."""
        return max(AGAIN, self._trust / PAUSE) if self.trusting else BACKOFF[1]

    def _end(self, reason: str) -> None:
        self.phase, self.reason = Phase.OVER, reason
        self.trusted_until = -math.inf
