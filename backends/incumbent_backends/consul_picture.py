"""What a watcher has read of a Consul's namespace and what it has told: no I/O, no clock."""

from collections.abc import Iterable

from incumbent_backends.api import Snapshot, Term
from incumbent_backends.consul_entry import Entry, nothing
from incumbent_backends.consul_space import Tree


class Picture:
    """The keys as last read, and the terms as last told."""

    def __init__(self) -> None:
        self.index = 0  # of the last change that it shows
        self.entries: dict[str, Entry] = {}
        self._told: dict[str, Term] = {}
        self._owed: set[str] = set()

    def all_led(self) -> list[Snapshot]:
        """Every led election, for somebody who begins to watch."""
        return [self._entry(name).snapshot() for name in self._told]

    def owe(self, answers: Iterable[Snapshot]) -> None:
        """Tell at the next look of what a verb has answered and was not told here.

        Even if nothing seems to have changed by then: it may have been undone before a look.
        """
        self._owed.update(
            answer.election for answer in answers if answer.term != self._told.get(answer.election)
        )

    @property
    def owes(self) -> bool:
        return bool(self._owed)

    def update(self, tree: Tree) -> list[Snapshot]:
        """Take in what was read; return what differs from what was told, and what is owed."""
        before, self.entries, self.index = self.entries, tree.entries, tree.at
        touched = self._owed | (before.keys() - self.entries.keys())
        touched.update(name for name, entry in self.entries.items() if entry != before.get(name))
        return self._news(touched)

    def confirmed(self) -> list[Snapshot]:
        """Take in that all is still as it was read last; return what is owed."""
        return self._news(set(self._owed))

    def vacant(self) -> dict[str, Entry]:
        """The keys that lead nobody."""
        return {name: entry for name, entry in self.entries.items() if entry.term is None}

    def _news(self, touched: set[str]) -> list[Snapshot]:
        news = []
        for name in sorted(touched):
            term = self._entry(name).term
            if term == self._told.get(name) and name not in self._owed:
                continue
            if term is None:
                self._told.pop(name, None)
            else:
                self._told[name] = term
            news.append(self._entry(name).snapshot())
        self._owed.clear()
        return news

    def _entry(self, election: str) -> Entry:
        return self.entries.get(election) or nothing(election)
