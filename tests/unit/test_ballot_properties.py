"""Two gateways' ballots against a tiny model store, under every order that Hypothesis thinks of.

The model keeps the laws of the seam; news reach a gateway late, and perhaps never in between;
answers are lost before or after the step was taken. Sessions live on: their end is the
simulation's matter.
"""

from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from incumbent_backends.api import Term
from incumbent_server.ballot import Ballot
from incumbent_server.candidacy import Acquire, Candidacy, End, Op, Release, State
from incumbent_server.session import Session
from tests.unit.booth import entry, term

TTL, BACKEND_TTL = 3.0, 15.0
HOLDERS = ("ann", "bob", "cyd", "dee")
OUTCOMES = st.sampled_from(("answered", "answered", "lost", "late", "never"))
GATEWAYS = st.sampled_from((0, 1))


@dataclass
class Gateway:
    name: str
    ballot: Ballot
    good_until: float
    streams: dict[str, Candidacy] = field(default_factory=dict)
    op: Op | None = None  # asked, not yet taken by the store
    late: list[Op] = field(default_factory=list)  # given up, and still on their way
    behind: Term | None = None  # what the watch told last
    farewells: set[str] = field(default_factory=set)

    @property
    def session(self) -> Session:
        return Session(self.name, self.good_until, BACKEND_TTL)


class BallotMachine(RuleBasedStateMachine):
    @initialize(moves=st.booleans())
    def open(self, moves: bool) -> None:
        self.now, self.numbers, self.token = 100.0, 0, 0
        self.term: Term | None = None  # what the store holds
        self.moves = moves
        self.attempts = dict.fromkeys(HOLDERS, 0)
        self.gateways = [
            Gateway(f"session-{n}", self._ballot(), self.now + BACKEND_TTL) for n in (0, 1)
        ]

    def _ballot(self) -> Ballot:
        return Ballot("demo", BACKEND_TTL, self.moves, lambda: 0.03, 10)

    # -- clients

    @rule(
        number=GATEWAYS, holder=st.sampled_from(HOLDERS), keep=st.booleans(), resumes=st.booleans()
    )
    def enter(self, number: int, holder: str, keep: bool, resumes: bool) -> None:
        gateway = self.gateways[number]
        self.attempts[holder] += 1
        self.numbers += 1
        resume = self.token if resumes and self.token else None
        wish = entry(holder, self.attempts[holder], ttl=TTL, keep=keep, resume=resume)
        stream = f"stream {self.numbers}"
        candidacy = gateway.ballot.enter(wish, stream, self.now)
        if candidacy is not None:
            gateway.streams[stream] = candidacy

    def _stream(self, gateway: Gateway, pick: int) -> tuple[str, Candidacy] | None:
        live = [(s, c) for s, c in gateway.streams.items() if c.stream == s]
        return live[pick % len(live)] if live else None

    @rule(number=GATEWAYS, pick=st.integers(0, 9))
    def beat(self, number: int, pick: int) -> None:
        gateway = self.gateways[number]
        if found := self._stream(gateway, pick):
            gateway.ballot.heartbeat(found[1], found[1].sequence + 1, self.now)

    @rule(number=GATEWAYS, pick=st.integers(0, 9))
    def disconnect(self, number: int, pick: int) -> None:
        gateway = self.gateways[number]
        if found := self._stream(gateway, pick):
            gateway.ballot.disconnected(found[1], found[0])

    @rule(number=GATEWAYS, pick=st.integers(0, 9))
    def resign(self, number: int, pick: int) -> None:
        gateway = self.gateways[number]
        if found := self._stream(gateway, pick):
            gateway.farewells.add(found[0])
            gateway.ballot.resign(found[1], found[0])

    @rule(number=GATEWAYS, pick=st.integers(0, 9))
    def proclaim(self, number: int, pick: int) -> None:
        gateway = self.gateways[number]
        if found := self._stream(gateway, pick):
            gateway.ballot.proclaim(found[1], b"%d" % pick, self.now)

    # -- time

    @rule(seconds=st.sampled_from((0.01, 0.5, 1.1, 2.5)))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for gateway in self.gateways:
            gateway.good_until = max(gateway.good_until, self.now + BACKEND_TTL / 2 + 0.1)
            gateway.ballot.tick(self.now)

    # -- the store

    @rule(number=GATEWAYS)
    def ask(self, number: int) -> None:
        gateway = self.gateways[number]
        ahead = [c for c in gateway.ballot.queue if self._present(c)]
        op = gateway.ballot.next_op(self.now, gateway.session)
        if op is None:
            return
        assert gateway.op is None, "two operations under way"
        gateway.op = op
        if isinstance(op, Acquire) and op.resume is None and gateway.ballot.known is None:
            assert ahead, "bid for nobody"
            assert ahead[0].holder == op.holder, "overtaken"

    def _present(self, candidacy: Candidacy) -> bool:
        if candidacy.stream is None or candidacy.leaving:
            return False
        return not candidacy.timed or self.now - candidacy.heard <= 2 * TTL / 3

    @precondition(lambda self: any(g.op for g in self.gateways))
    @rule(number=GATEWAYS, outcome=OUTCOMES)
    def take(self, number: int, outcome: str) -> None:
        gateway = self.gateways[number]
        op, gateway.op = gateway.op, None
        if op is None:
            return
        if outcome == "late":
            gateway.late.append(op)
        present = self._apply(gateway, op) if outcome in ("answered", "lost") else None
        if outcome != "answered":
            gateway.ballot.failed()
        elif isinstance(op, Acquire):
            gateway.ballot.acquired(present, gateway.name, self.now)
        elif isinstance(op, Release):
            gateway.ballot.released(self.now)
        else:
            gateway.ballot.answered(present, gateway.name, self.now)

    @precondition(lambda self: any(g.late for g in self.gateways))
    @rule(number=GATEWAYS)
    def land(self, number: int) -> None:
        gateway = self.gateways[number]
        if gateway.late:
            self._apply(gateway, gateway.late.pop(0))

    def _apply(self, gateway: Gateway, op: Op) -> Term | None:
        held = self.term
        if isinstance(op, Release):
            if held and (held.token, held.session) == (op.term.token, op.term.session):
                self.term = None
        elif isinstance(op, Acquire) and op.resume is None:
            if held is None:
                self.token += 1
                won = term(self.token, op.holder, op.attempt, session=gateway.name)
                self.term = replace(won, value=op.value or b"")
        elif isinstance(op, Acquire) and held is not None:
            self._resume(gateway, op, held)
        return self.term

    def _resume(self, gateway: Gateway, op: Acquire, held: Term) -> None:
        if (held.token, held.holder) != (op.resume, op.holder):
            return
        here = held.session == gateway.name
        again = here and op.attempt == held.attempt
        newer = op.attempt > held.attempt and (here or self.moves)
        if again or newer:
            value = held.value if op.value is None else op.value
            self.term = replace(held, session=gateway.name, attempt=op.attempt, value=value)

    @rule(number=GATEWAYS)
    def news(self, number: int) -> None:
        gateway = self.gateways[number]
        if gateway.behind != self.term:
            gateway.behind = self.term
            gateway.ballot.news(self.term, gateway.name, self.now)

    # -- what always holds

    @invariant()
    def never_two_winners(self) -> None:
        seats = [g.ballot.seat for g in self.gateways if g.ballot.seat is not None]
        assert len({seat.term.token for seat in seats}) <= 1
        assert len({seat.candidacy.holder for seat in seats}) <= 1
        for seat in seats:  # sessions live, so what is led is held: nobody else ends it
            assert self.term is not None
            assert self.term.token == seat.term.token

    @invariant()
    def trust_never_beyond_what_the_session_confirmed(self) -> None:
        for gateway in self.gateways:
            for stream, candidacy in gateway.streams.items():
                if candidacy.stream != stream:
                    continue
                view = gateway.ballot.view(candidacy, gateway.session, self.now)
                if view is None or view.trust is None:
                    continue
                assert view.state in (State.LEADING, State.JEOPARDY)
                end = candidacy.counted + view.trust
                assert end < gateway.good_until
                assert end < candidacy.counted + TTL

    @invariant()
    def a_streams_end_is_told_once(self) -> None:
        for gateway in self.gateways:
            for effect in gateway.ballot.take():
                if isinstance(effect, End):
                    gateway.farewells.discard(str(effect.stream))
                    gateway.streams.pop(str(effect.stream), None)

    def teardown(self) -> None:
        """Everybody falls silent, everything is answered: nothing is left behind."""
        if not hasattr(self, "gateways"):
            return
        for gateway in self.gateways:
            for stream, candidacy in gateway.streams.items():
                gateway.ballot.disconnected(candidacy, stream)
        for _ in range(10):
            self.wait(1.1)
            for number in (0, 1):
                self.land(number)
            for number in (0, 1):
                for _ in range(6):
                    self.news(number)
                    self.ask(number)
                    self.take(number, "answered")
                    self.a_streams_end_is_told_once()
        assert self.term is None, f"an orphan: {self.term}"
        for gateway in self.gateways:
            assert gateway.ballot.idle, gateway.ballot
            assert not gateway.farewells, f"never answered: {gateway.farewells}"


TestBallot = BallotMachine.TestCase
TestBallot.settings = settings(
    max_examples=100,
    stateful_step_count=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
