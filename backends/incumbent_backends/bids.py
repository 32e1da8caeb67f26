"""What a bid may do to an election, whatever the store: the laws of acquire as one decision."""

from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import NamedTuple

from incumbent_backends.api import Term


class Bid(NamedTuple):
    """What a caller of acquire wants."""

    election: str
    holder: str
    attempt: int
    candidate: str
    value: bytes | None
    resume: int | None

    def beginning(self, session: str, backend_ttl: timedelta, begin_time: datetime) -> Term:
        """The term that it would begin, without the token that the store mints."""
        return Term(
            election=self.election,
            token=0,
            holder=self.holder,
            attempt=self.attempt,
            candidate=self.candidate,
            value=self.value or b"",
            session=session,
            backend_ttl=backend_ttl,
            begin_time=begin_time,
        )

    def changing(self, term: Term) -> Term:
        """The caller's own term with what it asks for: the attempt, and the value if it has one."""
        value = term.value if self.value is None else self.value
        return replace(term, attempt=self.attempt, value=value)


class Step(Enum):
    """What a bid may do to an election as it stands."""

    NOTHING = auto()
    BEGIN = auto()  # a vacancy: a new term with a new token
    CHANGE = auto()  # the caller's own term on its own session
    MOVE = auto()  # the caller's own term, from another session


def decide(term: Term | None, bid: Bid, session: str) -> Step:
    """Say what a bid of this session may do; `term` is the one that lives now."""
    if bid.resume is None:
        return Step.BEGIN if term is None else Step.NOTHING
    if term is None or term.token != bid.resume or term.holder != bid.holder:
        return Step.NOTHING
    if term.session != session:
        return Step.MOVE if bid.attempt > term.attempt else Step.NOTHING
    if bid.attempt > term.attempt:
        return Step.CHANGE
    new = bid.attempt == term.attempt and bid.value not in (None, term.value)
    return Step.CHANGE if new else Step.NOTHING
