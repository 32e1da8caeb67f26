"""What a session has sent and has not heard of: which bids and ends may still land.

For drivers whose verbs run side by side. It tells what a renewal may end, and when an end that was
sent long ago could undo what a bid is about to be told.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from incumbent_backends.api import Claim, Term
from incumbent_backends.bids import Bid


class UnderWay:
    """Of one session; `ending` are the ends that were sent and whose outcome is not known."""

    def __init__(self) -> None:
        self.ending: set[Claim] = set()
        self._mark = 0  # acquires ended so far
        self._gained: dict[str, int] = {}  # election → mark of the last one ended
        self._bidding: Counter[str] = Counter()  # acquires under way
        self._renewing: Counter[int] = Counter()  # renewals under way, by their marks

    @contextmanager
    def bidding(self, election: str) -> Iterator[None]:
        """An acquire, from its beginning to its end."""
        self._bidding[election] += 1
        try:
            yield
        finally:
            self._bidding[election] -= 1
            self._bidding += Counter()  # forgets those at 0
            self._mark += 1
            self._gained[election] = self._mark

    @contextmanager
    def renewing(self) -> Iterator[int]:
        """A renewal, from its beginning to its end; it is told the mark of its beginning."""
        mark = self._mark
        self._renewing[mark] += 1
        try:
            yield mark
        finally:
            self._renewing[mark] -= 1
            self._renewing += Counter()
            oldest = min(self._renewing, default=self._mark)
            self._gained = {name: at for name, at in self._gained.items() if at > oldest}

    def orphans(self, hanging: Collection[Claim], keep: Collection[Claim], mark: int) -> set[Claim]:
        """What hung here when the call began, at that mark, and is not wanted.

        Spared is every election whose acquire is under way or ended after the call began, whatever
        came of it; the next tick ends what was spared for nothing.
        """
        under_way = {claim.election for claim in keep if claim.token is None}
        return {
            claim
            for claim in set(hanging).difference(keep)
            if not (
                claim.election in under_way
                or self._gained.get(claim.election, 0) > mark
                or self._bidding[claim.election]
            )
        }

    def doubtful(self, term: Term | None, bid: Bid, session: str) -> bool:
        """Whether this would be told as led here although an end of it may still land."""
        return (
            term is not None
            and (term.holder, term.session) == (bid.holder, session)
            and Claim(term.election, term.token) in self.ending
        )
