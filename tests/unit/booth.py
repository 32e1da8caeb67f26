"""A Ballot, its clock and its session by hand: tests say what happens and see what comes out."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from incumbent_backends.api import Term
from incumbent_server.ballot import Ballot
from incumbent_server.candidacy import Acquire, Candidacy, Effect, End, Entry, Later, Op, View
from incumbent_server.reasons import Reason
from incumbent_server.session import Session

BEGAN = datetime(2030, 1, 1, tzinfo=UTC)
HERE, THERE = "session-here", "session-there"
BACKEND_TTL = 15.0
PAUSE = 0.03


def term(
    token: int, holder: str, attempt: int = 1, *, session: str = HERE, value: bytes = b""
) -> Term:
    return Term(
        election="demo",
        token=token,
        holder=holder,
        attempt=attempt,
        candidate=f"candidate of {holder}",
        value=value,
        session=session,
        backend_ttl=timedelta(seconds=BACKEND_TTL),
        begin_time=BEGAN,
    )


def entry(
    holder: str,
    attempt: int = 1,
    *,
    ttl: float = 3.0,
    keep: bool = True,
    value: bytes | None = None,
    no_wait: bool = False,
    resume: int | None = None,
) -> Entry:
    candidate = f"candidate of {holder}"
    return Entry(holder, attempt, candidate, value, ttl, keep, no_wait, resume)


@dataclass
class Booth:
    """`now` and `session` are the test's to change; effects pile up in `effects`."""

    moves_terms: bool = True
    capacity: int = 10
    now: float = 100.0
    effects: list[Effect] = field(default_factory=list)
    seats: dict[str, Candidacy] = field(default_factory=dict)  # stream → candidacy

    def __post_init__(self) -> None:
        self.session = Session(HERE, self.now + BACKEND_TTL, BACKEND_TTL)
        self.ballot = Ballot("demo", BACKEND_TTL, self.moves_terms, lambda: PAUSE, self.capacity)

    # -- what happens

    def renew(self) -> None:
        """The store has just confirmed the session."""
        self.session = Session(HERE, self.now + BACKEND_TTL, BACKEND_TTL)

    def lose_session(self) -> None:
        """The store has been silent for so long that nothing is promised any more."""
        self.ballot.session_lost(self.session.good_until)

    def enter(self, wish: Entry) -> str:
        """Enter; the stream is called holder/attempt."""
        stream = f"{wish.holder}/{wish.attempt}"
        candidacy = self.ballot.enter(wish, stream, self.now)
        if candidacy is not None:
            self.seats[stream] = candidacy
        return stream

    def beat(self, stream: str, sequence: int) -> None:
        self.ballot.heartbeat(self.seats[stream], sequence, self.now)

    def leave(self, stream: str) -> None:
        self.ballot.disconnected(self.seats[stream], stream)

    def resign(self, stream: str, farewell: str | None = None) -> None:
        self.ballot.resign(self.seats[stream], farewell or stream)

    def wait(self, seconds: float) -> None:
        """Let time pass; silence is judged if it is due."""
        self.now += seconds
        if self.ballot.wake <= self.now:
            self.ballot.tick(self.now)

    def op(self) -> Op | None:
        """Begin what the ballot asks for."""
        return self.ballot.next_op(self.now, self.session)

    def acquire(self) -> Acquire:
        op = self.op()
        assert isinstance(op, Acquire), op
        return op

    def answer(self, present: Term | None) -> None:
        """The store answers the Acquire under way."""
        self.ballot.acquired(present, self.session.name, self.now)

    def read(self, present: Term | None) -> None:
        """The store answers the Read under way."""
        self.ballot.answered(present, self.session.name, self.now)

    def news(self, present: Term | None) -> None:
        self.ballot.news(present, self.session.name, self.now)

    def lead(self, wish: Entry, token: int = 7) -> str:
        """Enter and win; the watch tells of it."""
        stream = self.enter(wish)
        assert self.acquire().holder == wish.holder
        won = term(token, wish.holder, wish.attempt, value=wish.value or b"")
        self.answer(won)
        self.news(won)
        assert self.token == token
        return stream

    def leave_in_flight(self) -> None:
        """Ann bids, and is gone before the answer."""
        stream = self.enter(entry("ann", keep=False))
        self.acquire()
        self.leave(stream)

    # -- what comes out

    def claims(self) -> list[int | None]:
        """What a renewal that begins now is told to keep: tokens, None for "end nothing"."""
        return [claim.token for claim in self.ballot.claims(self.now)]

    def later(self) -> list[float]:
        """In how many seconds the ballot wants to be asked again."""
        return [e.instant - self.now for e in self.ballot.take() if isinstance(e, Later)]

    @property
    def token(self) -> int | None:
        """The token that this gateway leads with."""
        return self.ballot.seat.term.token if self.ballot.seat is not None else None

    def leads(self, token: int | None) -> bool:
        return self.token == token

    def view(self, stream: str) -> View | None:
        return self.ballot.view(self.seats[stream], self.session, self.now)

    def end(self, stream: str) -> End | None:
        """How `stream` ended; None while it runs."""
        self.effects += self.ballot.take()
        ends = [each for each in self.effects if isinstance(each, End) and each.stream == stream]
        assert len(ends) <= 1, ends
        return ends[0] if ends else None

    def reason(self, stream: str) -> Reason | None:
        """Why `stream` ended; None is OK."""
        end = self.end(stream)
        assert end is not None, f"{stream} has not ended"
        return end.reason
