"""What a gateway believes of one election in the store, and how sure of that it is."""

import math
from dataclasses import dataclass

from incumbent_backends.api import Term

# A watch that looks now and then tells nothing of a term that ended between two of its looks.
TOLD_WITHIN = 0.6  # seconds after which a term won here that no news told of is read
RECHECK = 1.0  # seconds after which a leader that only an answer told of is read again
RIVAL_MEMORY = 60.0  # seconds for which another gateway's term makes this one polite


@dataclass(slots=True)
class Picture:
    """Drawn from two sources that may overtake each other: the watch's news, and answers.

    News that come while an operation is under way may be younger or older than its answer. They
    win where a candidate waits (a wrong bid costs nothing), and raise a doubt where one leads.
    """

    known: Term | None = None  # who leads; None: nobody, as far as is known
    unsure: bool = False  # an acquire's outcome is unknown: a term may hang on the session
    doubt: bool = False  # news contradict the seat: ask the store
    recheck_at: float = math.inf
    _overtaken: bool = False
    _rival_seen: float = -math.inf

    def asking(self) -> None:
        """An operation begins."""
        self._overtaken = False

    def told(self, term: Term | None, session: str, now: float, *, asking: bool) -> None:
        """The watch tells something, perhaps while an operation is under way."""
        self._overtaken = asking
        if term is not None and term.session != session:
            self._rival_seen = now

    def settle(self, term: Term | None) -> bool:
        """Believe it; whether that is a change of leader."""
        changed = (term and term.token) != (self.known and self.known.token)
        self.known, self.recheck_at = term, math.inf
        return changed

    def contradicts(self, won: Term) -> bool:
        """Whether news that came while `won` was on its way told of anything else."""
        known = self.known
        same = known is not None and (known.token, known.session) == (won.token, won.session)
        return self._overtaken and not same

    @property
    def overtaken(self) -> bool:
        """Whether news came since the operation under way began."""
        return self._overtaken

    def rivals(self, now: float) -> bool:
        """Whether another gateway was seen to lead within the last minute."""
        return now - self._rival_seen < RIVAL_MEMORY
