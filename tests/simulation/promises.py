"""What a gateway owes its clients beyond the laws of histories, watched from outside of its core.

- First come, first served: who was there all the time is not overtaken on its own gateway.
- Silence is judged only when everything that arrived before has been read.
- A gateway that cannot renew its session says JEOPARDY after half a backend ttl.
- Who was told that a term has been resigned is never told by this gateway that it lives.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from incumbent_backends.api import Term
from incumbent_server.candidacy import State, View
from incumbent_server.reasons import Reason
from tests.histories.events import Broke
from tests.simulation.history import History
from tests.simulation.world import DRIFT, EPOCH

if TYPE_CHECKING:
    from tests.simulation.served import Served

STEADY = 0.6  # of a ttl: who is never silent for longer counts as there
LATE = 0.06  # seconds: the gateway looks at its clock every 0.05 s


@dataclass(slots=True)
class Attendance:
    """When a stream was heard, by the gateway's reading."""

    since: float
    last: float = field(init=False)
    gap: float = 0.0  # its longest silence

    def __post_init__(self) -> None:
        self.last = self.since

    def heard(self, now: float) -> None:
        self.gap, self.last = max(self.gap, now - self.last), now


class Promises:
    """Of one gateway process, whose streams are `served`."""

    def __init__(
        self, history: History, name: str, served: Iterable["Served"], *, ttl: float, longest: float
    ) -> None:
        self._history, self._name, self._served = history, name, served
        self._ttl = ttl
        # A session that took in a term of a longer one is granted the longer ttl.
        self._jeopardy_after = (longest - ttl / 2) * (1 + 2 * DRIFT) + LATE
        self._renewed = 0.0
        self._resigned: set[int] = set()  # tokens

    def resigned(self, term: Term | None) -> None:
        """Take in that a resign is acknowledged."""
        if term is not None:
            self._resigned.add(term.token)

    def renewed(self, began: float) -> None:
        """Take in that a renewal, begun then, was confirmed."""
        self._renewed = began

    def won(self, term: Term) -> None:
        """Look for one who came earlier and was passed over."""
        now, winner = self._history.loop.time(), self._find(term)
        if winner is None or term.attempt > 1:
            return
        bid = (term.begin_time - EPOCH).total_seconds()
        if winner.attendance.since > bid:  # on an older stream, whose place is not known any more
            return
        for other in self._served:
            attendance = other.attendance
            came_back = attendance.since > winner.attendance.since  # it may have been bid for
            if other.waits_in(term.election) and other.ticket < winner.ticket and not came_back:
                attendance.heard(now)
                if attendance.gap <= STEADY * min(other.ttl, self._ttl):
                    self._broke(f"{term.holder} overtook {other.holder}", term)

    def gone(self, term: Term, reason: Reason | None) -> None:
        """Look for messages of who was found silent."""
        served = self._find(term)
        if reason is Reason.EXPIRED and served is not None and served.unread:
            self._broke(f"{term.holder} was found silent, and its messages were not read", term)

    def told(self, view: View) -> None:
        """Look at an answer."""
        silent = self._history.loop.time() - self._renewed
        if view.state is State.LEADING and silent > self._jeopardy_after:
            self._broke(f"not renewed for {silent:.3f} s, and LEADING is told", view.term)
        leads = view.state in (State.LEADING, State.JEOPARDY)
        if leads and view.term is not None and view.term.token in self._resigned:
            self._broke(f"{view.state.value} is told after the resign was acknowledged", view.term)

    def _find(self, term: Term) -> "Served | None":
        found = [s for s in self._served if (s.election, s.holder) == (term.election, term.holder)]
        return found[-1] if found else None

    def _broke(self, says: str, term: Term | None) -> None:
        election, token = ("", None) if term is None else (term.election, term.token)
        self._history.record(Broke, self._name, says, election, token)
