"""The candidates of one election that wait on this gateway, first come first served."""

from bisect import bisect_left
from collections.abc import Iterator

from incumbent_server.candidacy import Candidacy

TOLD = 100  # places; who is further back learns its own with its heartbeats


class Line:
    """A queue with tickets: joining, leaving and telling a position are cheap at any length."""

    __slots__ = ("_by_holder", "_by_ticket", "_hasty", "_last", "_tickets")

    def __init__(self) -> None:
        self._by_holder: dict[str, Candidacy] = {}  # in order of arrival
        self._by_ticket: dict[int, Candidacy] = {}
        self._tickets: list[int] = []  # rising
        self._hasty: set[str] = set()  # who will not wait
        self._last = 0

    def __len__(self) -> int:
        return len(self._by_holder)

    def __iter__(self) -> Iterator[Candidacy]:
        return iter(list(self._by_holder.values()))

    def __contains__(self, holder: object) -> bool:
        return holder in self._by_holder

    def get(self, holder: str) -> Candidacy | None:
        """Find who waits under this credential."""
        return self._by_holder.get(holder)

    def join(self, candidacy: Candidacy) -> None:
        """Take the last place."""
        self._last += 1
        candidacy.ticket = self._last
        self._tickets.append(self._last)
        self._by_holder[candidacy.holder] = self._by_ticket[self._last] = candidacy
        self.note(candidacy)

    def note(self, candidacy: Candidacy) -> None:
        """Take in a newer enter of who has a place."""
        self._hasty.discard(candidacy.holder)
        if candidacy.entry.no_wait and candidacy.holder in self._by_holder:
            self._hasty.add(candidacy.holder)

    @property
    def hasty(self) -> bool:
        """Whether somebody asked not to wait, so that even a led election is bid for."""
        return bool(self._hasty)

    def leave(self, candidacy: Candidacy) -> list[Candidacy]:
        """Give up the place, if it has one; return who moved up and should be told."""
        if self._by_holder.pop(candidacy.holder, None) is None:
            return []
        self._hasty.discard(candidacy.holder)
        del self._by_ticket[candidacy.ticket]
        place = bisect_left(self._tickets, candidacy.ticket)
        del self._tickets[place]
        return [self._by_ticket[ticket] for ticket in self._tickets[place:TOLD]]

    def position(self, candidacy: Candidacy) -> int:
        """Tell the place: 1 is next."""
        return bisect_left(self._tickets, candidacy.ticket) + 1

    def head(self, now: float, backend_ttl: float) -> Candidacy | None:
        """Find the first that is there to lead; the silent keep their place, passed over."""
        for candidacy in self._by_holder.values():
            if candidacy.present(now, 2 * min(candidacy.entry.ttl, backend_ttl) / 3):
                return candidacy
        return None
