"""The terms of one election that this gateway ends: doomed, then released, then known to be over.

doomed ── its promise has run out, Release ──► released ── an answer younger than that ──► over
│
└── it had moved away before ──► SUPERSEDED
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from incumbent_backends.api import Term
from incumbent_server.candidacy import End, Farewell, State, View
from incumbent_server.reasons import Reason

Grave = tuple[Term, list[Farewell]]  # and who waits to hear that it is over


@dataclass(slots=True)
class Graves:
    """What is to be ended, and who is told so.

    `buried` is the highest token ended on the present session. A release reaches its own session
    only: what was ended on an earlier one may come back to the one that replaced it.
    """

    buried: int = 0
    session: str = ""  # that of the last one buried
    kept_until: float = -math.inf  # a promise still runs: nothing doomed is released before
    _doomed: dict[tuple[int, str], Grave] = field(default_factory=dict)  # by token and session
    _released: list[Grave] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self._doomed or self._released)

    def bury(self, term: Term) -> None:
        """From now on this token is never renewed, trusted or resumed on this session."""
        self.buried, self.session = max(self.buried, term.token), term.session

    def doom(self, term: Term, farewells: Iterable[Farewell] = ()) -> None:
        """Bury a term that has to be ended in the store."""
        self.bury(term)
        _, waiting = self._doomed.setdefault((term.token, term.session), (term, []))
        waiting.extend(farewells)

    def new_session(self) -> None:
        """Another session has replaced the one on which all this was ended."""
        self.buried = 0

    @property
    def doomed(self) -> Term | None:
        """The term to be released next."""
        return next((term for term, _ in self._doomed.values()), None)

    @property
    def unanswered(self) -> bool:
        """Whether somebody who resigned waits for an answer of the store."""
        return bool(self._released)

    def claims(self, now: float) -> list[int]:
        """List the tokens that the session must keep for a promise that still runs."""
        return [token for token, _ in self._doomed] if now < self.kept_until else []

    def elsewhere(self, present: Term | None) -> bool:
        """Whether none of these terms is the one that lives: it is over, or has moved away."""
        return present is None or (present.token, present.session) not in self._doomed

    def hear(self, present: Term | None) -> None:
        """Take in an answer of the store: what does not live here need not be kept any more."""
        if self.elsewhere(present):
            self.kept_until = -math.inf

    def release(self, term: Term) -> None:
        """Take in that the store has ended the term, or that it had left before."""
        grave = self._doomed.pop((term.token, term.session))
        _, farewells = grave
        if farewells:
            self._released.append(grave)

    def farewells(self, present: Term | None) -> Iterator[End]:
        """Tell those who resigned what an answer younger than their release says."""
        released, self._released = self._released, []
        for term, farewells in released:
            moved = present is not None and present.token == term.token
            reason = Reason.SUPERSEDED if moved else None
            view = View(State.LOST, term, reason=reason) if moved else None
            yield from (End(farewell, reason, view, term) for farewell in farewells)

    def dismissals(self) -> Iterator[End]:
        """Tell those who resigned that no answer will come: the session is lost."""
        for _, farewells in (*self._doomed.values(), *self._released):
            yield from (End(each, Reason.BACKEND_UNAVAILABLE, None) for each in farewells)
            farewells.clear()
        self._released.clear()
