"""What a watcher has read of a namespace and what it has told: no I/O, no clock."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from incumbent_backends.api import Snapshot, Term
from incumbent_backends.lease_rows import Row, snapshot

FACTOR = 1.02  # covers clocks that run within 1 % of true


class SessionRow(NamedTuple):
    """One row of a store's table of sessions."""

    id: str
    renewals: int
    backend_ttl_ms: int


class Picture:
    """The rows and living sessions as last read, and the terms as last told."""

    def __init__(self) -> None:
        self.highest = 0  # version of the newest row known
        self._rows: dict[str, Row] = {}
        self._live: frozenset[str] = frozenset()
        self._told: dict[str, Term] = {}
        self._owed: set[str] = set()

    def all_led(self) -> list[Snapshot]:
        """Every led election, for somebody who begins to watch."""
        return [snapshot(name, self._rows[name], term) for name, term in self._told.items()]

    def leads(self, election: str) -> bool:
        """Whether somebody was told to lead it."""
        return election in self._told

    def led_beside(self, session: str) -> int:
        """Count the elections that other sessions lead."""
        return sum(term.session != session for term in self._told.values())

    def end_session(self, session: str) -> list[Snapshot]:
        """Take in that a session is over, before any read has shown it; return what is news."""
        self._live -= {session}
        hanging = sorted(name for name, term in self._told.items() if term.session == session)
        return [item for name in hanging if (item := self._news(name)) is not None]

    def has_vacant(self) -> bool:
        return len(self._rows) > len(self._told)

    def vacant(self) -> dict[str, int]:
        """The elections whose rows lead nobody, with their versions."""
        return {name: row.version for name, row in self._rows.items() if name not in self._told}

    def owe(self, answers: Iterable[Snapshot]) -> None:
        """Tell at the next update of what a verb has answered and was not told here.

        Even if nothing seems to have changed by then: it may have been undone before a look.
        """
        self._owed.update(
            answer.election for answer in answers if answer.term != self._told.get(answer.election)
        )

    def differing(self, outline: Iterable[Sequence[object]]) -> tuple[list[str], list[str]]:
        """Compare [election, version, token, session, attempt] of every row with what is known.

        Return the elections whose rows must be read, and those whose rows are gone.
        """
        seen: dict[str, Sequence[object]] = {str(line[0]): line for line in outline}
        changed = [name for name, line in seen.items() if not self._knows(name, line)]
        return changed, [name for name in self._rows if name not in seen]

    def _knows(self, name: str, line: Sequence[object]) -> bool:
        row = self._rows.get(name)
        return row is not None and [*row[:4], row.attempt] == line

    def update(
        self, live: frozenset[str], rows: Iterable[Row], gone: Collection[str] = ()
    ) -> list[Snapshot]:
        """Take in what one transaction read; return what differs from what was told."""
        for name in gone:
            self._rows.pop(name, None)
        touched = {*gone, *self._owed}
        for row in rows:
            self._rows[row.election] = row
            self.highest = max(self.highest, row.version)
            touched.add(row.election)
        if live != self._live:
            turned = live ^ self._live
            touched.update(row.election for row in self._rows.values() if row.session in turned)
            self._live = live
        news = [item for name in sorted(touched) if (item := self._news(name)) is not None]
        self._owed.clear()
        return news

    def _news(self, name: str) -> Snapshot | None:
        row = self._rows.get(name)
        term = row.term() if row is not None and row.session in self._live else None
        if term == self._told.get(name) and name not in self._owed:
            return None
        if term is None:
            self._told.pop(name, None)
        else:
            self._told[name] = term
        return snapshot(name, row, term)


class Patience:
    """Who has been silent for how long: (renewals, seen at) of every session that is not our own.

    Silence counts from the arrival of the first read that showed these renewals, so it is never
    longer than it seems, whatever pauses this process or its reads had.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[SessionRow, float]] = {}
        self._earliest = float("inf")

    def observe(self, sessions: Iterable[SessionRow], arrived: float) -> None:
        before = self._seen
        self._seen = {}
        for session in sessions:
            known = before.get(session.id)
            since = known[1] if known is not None and known[0] == session else arrived
            self._seen[session.id] = (session, since)
        self._earliest = min(map(_deadline, self._seen.values()), default=float("inf"))

    def silent(self, now: float) -> list[SessionRow]:
        """The sessions that may be ended now, provided that their renewals are still these."""
        if now < self._earliest:
            return []
        return [seen[0] for seen in self._seen.values() if _deadline(seen) <= now]


def _deadline(seen: tuple[SessionRow, float]) -> float:
    session, since = seen
    return since + session.backend_ttl_ms / 1000 * FACTOR
