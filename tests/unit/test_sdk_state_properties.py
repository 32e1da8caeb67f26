"""The SDK's pure core against gateways that answer, delay, drop, lie and break, on a virtual clock.

The model knows what was sent when and what was heard of it, and from that alone what a client may
believe, must send and must not send. Each stream keeps its order; streams overtake each other.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from incumbent._state import (
    AGAIN,
    DISCONNECTED,
    REFUSALS,
    TRUST_EXPIRED,
    UNREACHABLE,
    Beat,
    Candidacy,
    Enter,
    Heard,
    Phase,
)

F = TypeVar("F", bound=Callable[..., None])

EPSILON = 1e-6  # sums of floats
OWN, OTHER = 42, 43  # tokens
DRAINING = "GATEWAY_DRAINING"
LONGEST_WAIT = 12.0  # seconds for an answer, where no trust runs
OLDER = st.integers(0, 2)  # 0: the newest stream
SHARES = st.sampled_from((0.98, 0.98, 0.5, 0.1, 0.01, 0.0, -0.5, 2.0, None))  # of the ttl
STATUSES = st.sampled_from(("OK", "UNAVAILABLE", "UNAVAILABLE", "CANCELLED", *sorted(REFUSALS)))
STEPS = st.sampled_from((0.001, 0.03, 0.3, 1.0, 3.0))
RARELY = st.sampled_from((False,) * 7 + (True,))  # what ends a candidacy, so that most live long
PHASES = st.sampled_from((Phase.WAITING, Phase.LEADING, Phase.LEADING, Phase.JEOPARDY))


@dataclass
class Stream:
    """What was sent on one stream, what its gateway has read, and what is on its way back."""

    attempt: int
    gateway: int
    sent: list[float]  # the instant of message 0, 1, 2, …
    read: int = -1  # the latest message that the gateway has read
    back: deque[Heard] = field(default_factory=deque)
    answered: int = -1  # the latest message that an answer was heard to
    beat_due: float = math.inf
    open: bool = True

    @property
    def unanswered(self) -> float:
        """When the oldest message without an answer was sent; inf if there is none."""
        waits = self.open and len(self.sent) > self.answered + 1
        return self.sent[self.answered + 1] if waits else math.inf


def alive(function: F) -> F:
    """Of a rule: only while it is not over."""
    return precondition(lambda self: not self.it.over)(function)


class CandidacyMachine(RuleBasedStateMachine):
    @initialize(
        ttl=st.sampled_from((1.0, 3.0, 10.0, 60.0)),
        gateways=st.integers(1, 3),
        keep=st.sampled_from((True, True, False)),
        patience=st.sampled_from((math.inf, math.inf, 10.0)),
        jitter=st.floats(0, 1),
    )
    def begin(self, ttl: float, gateways: int, keep: bool, patience: float, jitter: float) -> None:
        self.now = 1000.0
        self.make: Callable[[], Candidacy] = lambda: Candidacy(
            ttl, gateways, keep, patience, lambda: jitter
        )
        self.campaign()

    def campaign(self) -> None:
        self.it = self.make()
        self.streams: list[Stream] = []
        self.token: int | None = None
        self.until = -math.inf  # what the newest message allows, nothing else
        self.trust = 0.0  # as given by it
        self.asked_to_leave = False  # by that message: JEOPARDY, or a drain
        self.was_held = self.is_over = False
        self.reasons: set[str] = set()  # why it may be over
        self.quiet_since = math.inf  # no answer since
        self.entered: list[float] = []
        self.drive()

    @precondition(lambda self: self.it.over)
    @rule()
    def it_campaigns_anew(self) -> None:
        self.campaign()

    # -- what is always true

    def newest(self, back: int = 0) -> Stream:
        return self.streams[max(0, len(self.streams) - 1 - back)]

    @invariant()
    def belief_is_what_the_newest_message_allows(self) -> None:
        held = self.it.held(self.now)
        if not self.it.over:
            assert held == (self.now < self.until)
        if held:
            assert self.it.trusted_until <= self.until
            assert self.it.token == self.token
            assert self.it.phase in (Phase.LEADING, Phase.JEOPARDY)

    @invariant()
    def what_was_held_and_is_no_more_is_never_held_again(self) -> None:
        held = self.it.held(self.now)
        assert not (self.is_over and held)
        if self.was_held and not held:
            assert self.it.over
        self.was_held, self.is_over = held, self.it.over

    @invariant()
    def it_is_over_for_a_reason(self) -> None:
        if not self.it.over:
            return
        assert not self.it.trusting
        if self.it.reason == TRUST_EXPIRED:
            assert self.until <= self.now
        elif self.it.reason == UNREACHABLE:
            assert self.now >= self.quiet_since + self.it.patience
        else:
            assert self.it.reason in self.reasons

    # -- the client's own steps

    def drive(self) -> None:
        """Send all that is to be sent now, as its driver does after each event."""
        steps = 0
        while (todo := self.it.next(self.now)) is not None:
            steps += 1
            assert steps <= 3, "it never comes to rest"
            assert not self.is_over, "it sends, and was over"
            if isinstance(todo, Enter):
                self.enters(todo)
            else:
                self.beats(todo)
        if self.it.over:
            assert self.it.due() == math.inf
            return
        assert self.it.due() > self.now, "`next` did not do what was due"
        self.nothing_is_left_undone()

    def enters(self, enter: Enter) -> None:
        assert enter.attempt == len(self.streams) + 1
        assert enter.resume_token == self.token
        assert 0 <= enter.gateway < self.it.gateways
        if self.streams:
            last = self.newest()
            assert enter.gateway == (last.gateway + 1) % self.it.gateways
            wait = max(AGAIN, self.trust / 3) if self.it.trusting else self.shortest_wait(last)
            late = self.now >= last.unanswered + wait - EPSILON
            assert not last.open or self.asked_to_leave or late, "nobody forced it"
        self.entered = [at for at in self.entered if at > self.now - 1] + [self.now]
        most = 5 * self.it.gateways + 3 + (1 / AGAIN if self.it.trusting else 0)
        assert len(self.entered) <= most, "enters without a pause"
        self.streams.append(Stream(enter.attempt, enter.gateway, [self.now]))
        self.quiet_since = min(self.quiet_since, self.now)
        self.asked_to_leave = False

    def shortest_wait(self, stream: Stream) -> float:
        share = self.it.patience / self.it.gateways
        return min(1.0, share) if stream.answered < 0 else 1.0

    def beats(self, beat: Beat) -> None:
        stream = self.newest()
        assert stream.open, "there is nobody to hear it"
        assert beat.sequence == len(stream.sent)
        first = beat.sequence == 1 and not self.it.keep
        if not first:
            assert stream.unanswered == math.inf, "the one before is not answered"
            assert self.now >= stream.sent[-1] + AGAIN - EPSILON
            assert self.now >= stream.beat_due - EPSILON, "before it is due"
        stream.sent.append(self.now)

    def nothing_is_left_undone(self) -> None:
        """It will look again when it has to, at the latest."""
        stream, due = self.newest(), self.it.due() - EPSILON
        if self.it.trusting:
            assert due <= self.until
            assert due <= stream.unanswered + max(AGAIN, self.trust / 3), "rule 2"
            tenth = max(AGAIN, self.trust / 10)
        else:
            assert due <= self.quiet_since + self.it.patience
            assert due <= stream.unanswered + LONGEST_WAIT
            tenth = 1.0
        if not stream.open:
            assert due <= self.now + tenth, "it does not come back"
            return
        assert self.it.keep or len(stream.sent) > 1, "RELEASE: no trust without a heartbeat"
        if self.asked_to_leave:
            assert due <= max(self.now, self.entered[-1] + tenth), "rule 2"
        if stream.unanswered == math.inf:
            assert due <= max(stream.beat_due, stream.sent[-1] + AGAIN)

    @alive
    @rule()
    def sleep_until_due(self) -> None:
        assert self.it.due() < math.inf
        self.now = max(self.now, min(self.it.due(), self.now + 3600))
        before = len(self.streams), len(self.newest().sent), self.it.over
        self.drive()
        assert before != (len(self.streams), len(self.newest().sent), self.it.over)

    @alive
    @rule(seconds=STEPS, stopped=st.booleans())
    def time_passes(self, seconds: float, stopped: bool) -> None:
        """Or the process was stopped for as long, so that it looks only at the end."""
        end = self.now + seconds
        while not stopped and self.it.due() <= end:
            self.now = max(self.now, self.it.due())
            self.drive()
        self.now = end
        if not stopped:
            self.drive()

    @alive
    @rule(seconds=st.sampled_from((0.5, 20.0, 1e6)), rarely=RARELY)
    def the_process_is_stopped(self, seconds: float, rarely: bool) -> None:
        """Nobody looks at the clock in between: only what arrives then, and the clock, tell."""
        if rarely:
            self.now += seconds
        elif self.it.trusting and seconds == 0.5:
            self.now = max(self.now, math.nextafter(self.until, 0))
            assert self.it.held(self.now)

    @alive
    @rule(rarely=RARELY)
    def it_resigns(self, rarely: bool) -> None:
        if rarely:
            self.reasons.add("")
            self.it.resign()
            assert not self.it.held(self.now)

    # -- gateways

    @alive
    @rule(
        rounds=st.integers(1, 3),
        latency=st.sampled_from((0.0, 0.01, 0.4)),
        phase=PHASES,
        share=st.sampled_from((0.98, 0.98, 0.98, 2.0, 0.0, None)),
    )
    def life_goes_on(self, rounds: int, latency: float, phase: Phase, share: float | None) -> None:
        """All is read, answered and heard, and the next message goes out when it is due."""
        for _ in range(rounds):
            stream = self.newest()
            if stream.open:
                stream.read = len(stream.sent) - 1
                stream.back.clear()
                self.tells(stream, phase, share or (0.98 if self.token else share))
                self.now += latency
                self.arrives(stream, stream.back.popleft())
                self.drive()
            if not self.it.over:
                self.sleep_until_due()

    @alive
    @rule(
        older=OLDER,
        reads=st.integers(0, 2),
        phase=PHASES,
        share=SHARES,
        pace=st.sampled_from((0.3, 0.3, 0.0, 5.0, None)),
        drains=RARELY,
        other=RARELY,
    )
    def a_gateway_tells(
        self,
        older: int,
        reads: int,
        phase: Phase,
        share: float | None,
        pace: float | None,
        drains: bool,
        other: bool,
    ) -> None:
        """The present state, asked or not, as it arrives when it arrives."""
        stream = self.newest(older)
        stream.read = min(stream.read + reads, len(stream.sent) - 1)
        token = OTHER if other and self.token and stream is not self.newest() else OWN
        self.tells(stream, phase, share, pace, DRAINING if drains else "", token)

    def tells(
        self,
        stream: Stream,
        phase: Phase,
        share: float | None,
        pace: float | None = 0.3,
        reason: str = "",
        token: int = OWN,
    ) -> None:
        if stream.read < 0:
            return
        if phase is Phase.WAITING and self.token:
            phase = Phase.LEADING  # there is no way back
        trust = None if share is None or phase is Phase.WAITING else share * self.it.ttl
        beat = None if pace is None else pace * self.it.ttl
        stream.back.append(Heard(phase, token, stream.read, trust, beat, reason))

    @rule(
        older=OLDER,
        seconds=st.sampled_from((0.0, 0.0, 0.2)),
        share=st.sampled_from((0.98, 0.98, 0.5, 0.5, 2.0, 0.0, None)),
    )
    def a_gateway_tells_unasked(self, older: int, seconds: float, share: float | None) -> None:
        """Of what it has read long ago; on an older stream it knows of no newer one."""
        stream = self.newest(older)
        if stream.open and stream.read >= 0:
            self.tells(stream, Phase.LEADING, share)
            self.now += seconds
            self.arrives(stream, stream.back.pop())
            self.drive()

    @alive
    @rule(
        older=OLDER,
        lie=st.sampled_from(("over", "over", "token", "waiting", "sequence")),
        reason=st.sampled_from(("EXPIRED", "SUPERSEDED", "")),
        sequence=st.integers(-1, 5),
        rarely=RARELY,
    )
    def a_gateway_tells_the_end(
        self, older: int, lie: str, reason: str, sequence: int, rarely: bool
    ) -> None:
        """Or what no sound gateway tells."""
        stream = self.newest(older)
        if stream.read < 0 or not (rarely or stream is not self.newest()):
            return
        told = Heard(Phase.LEADING, OWN, stream.read, self.it.ttl, 1.0, reason)
        match lie:
            case "over":
                told = told._replace(phase=Phase.OVER, trust_for=None)
            case "token":
                told = told._replace(token=OTHER)
            case "waiting":
                told = told._replace(phase=Phase.WAITING, trust_for=None)
            case _:
                told = told._replace(sequence=sequence)
        if stream.open:
            self.arrives(stream, told)

    @alive
    @rule(older=OLDER)
    def a_message_is_lost(self, older: int) -> None:
        stream = self.newest(older)
        if stream.back:
            stream.back.popleft()

    @rule(older=OLDER, stopped=RARELY)
    def messages_arrive(self, older: int, stopped: bool) -> None:
        stream = self.newest(older)
        while stream.back and stream.open:
            self.arrives(stream, stream.back.popleft())
            if not stopped:
                self.drive()

    def arrives(self, stream: Stream, told: Heard) -> None:
        """Take it in; the model first, as of the rules alone."""
        counts = stream is self.newest() and not self.it.over and self.now_believes_on()
        final = counts and self.allow(stream, told)
        self.it.heard(stream.attempt, told, self.now)
        assert self.it.over or not final

    def now_believes_on(self) -> bool:
        """Whether no trust has run out unseen."""
        return self.until == -math.inf or self.now < self.until

    def allow(self, stream: Stream, told: Heard) -> bool:
        """Note what it may believe from now on; return whether that is nothing, for good."""
        self.quiet_since = math.inf
        known = max(0, stream.answered) <= told.sequence < len(stream.sent)
        answers = known and told.sequence > stream.answered
        stream.answered = max(told.sequence, stream.answered) if known else max(0, stream.answered)
        if told.phase is Phase.OVER:
            self.reasons.add(told.reason or "ABORTED")
            return True
        if self.token is not None and (told.phase is Phase.WAITING or told.token != self.token):
            self.reasons.add("EXPIRED")
            return True
        if told.phase is not Phase.WAITING:
            self.token = told.token
        open_stream = not self.it.keep and told.sequence == 0 and told.trust_for is None
        if told.phase is not Phase.WAITING and not open_stream:
            given = min(told.trust_for or 0.0, self.it.ttl)
            until = stream.sent[told.sequence] + given if known else -math.inf
            if self.now < until or self.until > -math.inf:
                self.until, self.trust = until, given
        self.plan(stream, told, answers=answers)
        return False

    def plan(self, stream: Stream, told: Heard, *, answers: bool) -> None:
        """Note when the next heartbeat is due: by the earliest message since the last was sent."""
        pace = self.it.ttl / 3
        if told.next_heartbeat_in is not None:
            pace = min(pace, told.next_heartbeat_in)
        due = self.now + pace
        if told.phase is not Phase.WAITING:
            due = min(due, self.until - self.trust / 3) if self.now < self.until else self.now
        stream.beat_due = due if answers else min(stream.beat_due, due)
        moves = told.phase is Phase.JEOPARDY and self.it.gateways > 1
        self.asked_to_leave = moves or told.reason == DRAINING

    @alive
    @rule(status=STATUSES, word=st.booleans(), rarely=RARELY)
    def the_newest_stream_breaks(self, status: str, word: bool, rarely: bool) -> None:
        """Whether the core may end for that, is what docs/clients.md says of each status."""
        stream = self.newest()
        final = status in REFUSALS and not self.it.held(self.now)
        if not stream.open or (final and not rarely):
            return
        stream.open = False
        reason = "THE_GATEWAYS_WORD" if word else ""
        spared = status == "UNAVAILABLE" and word
        released = not self.it.keep and self.token is not None and not spared
        self.reasons |= {reason or status} if final else set()
        self.reasons |= {DISCONNECTED} if released else set()
        before = self.it.over
        self.it.ended(stream.attempt, status, reason, self.now)
        assert before or self.it.over or not released, "its gateway has released it"
        self.quiet_since = min(self.quiet_since, self.now)
        self.drive()

    @alive
    @rule(times=st.sampled_from((2, 30)), answers=st.booleans(), rarely=RARELY)
    def every_stream_breaks_soon(self, times: int, answers: bool, rarely: bool) -> None:
        for _ in range(times if rarely else 0):
            stream = self.newest()
            if answers and stream.open:
                stream.read = 0
                self.tells(stream, Phase.WAITING, 0.5)
                self.arrives(stream, stream.back.pop())
            self.the_newest_stream_breaks("UNAVAILABLE", word=True, rarely=False)
            if not self.it.over:
                self.sleep_until_due()

    @alive
    @rule(reason=st.sampled_from(("EXPIRED", "SUPERSEDED", "RESIGNED", "")), rarely=RARELY)
    def the_newest_stream_is_aborted(self, reason: str, rarely: bool) -> None:
        if not rarely or not self.newest().open:
            return
        self.newest().open = False
        self.reasons.add(reason or "ABORTED")
        self.it.ended(self.newest().attempt, "ABORTED", reason, self.now)
        assert self.it.over

    @alive
    @rule(older=st.integers(1, 2), status=STATUSES | st.just("ABORTED"))
    def an_older_stream_breaks(self, older: int, status: str) -> None:
        stream = self.newest(older)
        if not stream.open or stream is self.newest():
            return
        stream.open = False
        orphaned = self.newest().answered < 0 and status != "ABORTED"
        released = not self.it.keep and self.token is not None and orphaned
        self.reasons |= {DISCONNECTED} if released else set()
        self.it.ended(stream.attempt, status, "", self.now)
        assert self.it.over or not released, "its gateway has released it"
        self.drive()

    def teardown(self) -> None:
        """Left to itself, with gateways that say nothing, its trust ends."""
        if not hasattr(self, "it"):
            return
        end = self.now + 5 + max(0.0, self.until - self.now)
        while self.now < end and self.it.due() < end:
            self.sleep_until_due()
            self.belief_is_what_the_newest_message_allows()
        assert not self.it.held(end)


TestCandidacy = CandidacyMachine.TestCase
TestCandidacy.settings = settings(
    max_examples=300,
    stateful_step_count=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
