"""The store behind the reference driver: what a server would be, in the memory of one process.

No clock is in it, as in the SQL drivers: a session carries a count of its renewals, and whoever
watches may end it, by compare-and-swap on that count. A store belongs to one event loop.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TypeVar

from incumbent_backends.api import Backend, Snapshot, Term

MARKER = "memory, layout 1"
VACANT = 0  # the version of every vacancy; led elections count from 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One crossing from a driver to its store: whose, for what."""

    backend: Backend
    verb: str  # enter, renew, acquire, release, read, watch, expire or leave
    election: str  # "" for what concerns no single one


@dataclass(frozen=True, slots=True)
class SessionRow:
    renewals: int
    backend_ttl: timedelta


@dataclass(eq=False, slots=True)
class Watcher:
    """What changed since a watch last looked; names only, so that it tells the latest state."""

    changed: dict[str, None] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Space:
    """One namespace of the store. Every method is atomic: none of them waits."""

    def __init__(self) -> None:
        self.marker = MARKER
        self.sessions: dict[str, SessionRow] = {}
        self.terms: dict[str, tuple[int, Term]] = {}  # election: (version, term)
        self.watchers: set[Watcher] = set()
        self._names = count(1)
        self._tokens = count(1)  # one counter a namespace: forgetting an election loses nothing
        self._versions = count(VACANT + 1)

    def open_session(self, backend_ttl: timedelta) -> str:
        name = f"session-{next(self._names)}"
        self.sessions[name] = SessionRow(0, backend_ttl)
        return name

    def end_session(self, name: str, renewals: int | None = None) -> None:
        """End it with its terms; given `renewals`, only if none came since (compare-and-swap)."""
        row = self.sessions.get(name)
        if row is None or renewals not in (None, row.renewals):
            return
        del self.sessions[name]
        for term in self.hanging_on(name):
            self.delete(term.election)

    def renew_session(self, name: str, at_least: timedelta = timedelta(0)) -> timedelta:
        """Count a renewal, for no less than `at_least`; return the ttl that now holds."""
        row = self.sessions[name]
        ttl = max(row.backend_ttl, at_least)
        self.sessions[name] = SessionRow(row.renewals + 1, ttl)
        for term in self.hanging_on(name):  # they were promised the longer ttl with it
            if term.backend_ttl < ttl:
                self.put(replace(term, backend_ttl=ttl))
        return ttl

    def hanging_on(self, session: str) -> list[Term]:
        return [term for _, term in self.terms.values() if term.session == session]

    def term(self, election: str) -> Term | None:
        return self.snapshot(election).term

    def snapshot(self, election: str) -> Snapshot:
        version, term = self.terms.get(election, (VACANT, None))
        return Snapshot(election, version, term)

    def mint(self) -> int:
        return next(self._tokens)

    def put(self, term: Term) -> None:
        self.terms[term.election] = (next(self._versions), term)
        self._notify(term.election)

    def delete(self, election: str) -> None:
        if self.terms.pop(election, None) is not None:
            self._notify(election)

    def _notify(self, election: str) -> None:
        for watcher in self.watchers:
            watcher.changed[election] = None
            watcher.wake.set()


def _utc_now() -> datetime:
    return datetime.now(UTC)


class MemoryStore:
    """A store to share between drivers. Tests and simulations subclass it to misbehave."""

    def __init__(self, *, wall: Callable[[], datetime] = _utc_now) -> None:
        self.wall = wall  # for begin_time, which is for people
        self._spaces: dict[str, Space] = {}

    def space(self, namespace: str) -> Space:
        return self._spaces.setdefault(namespace, Space())

    async def perform(self, call: Call, step: Callable[[], T]) -> T:
        """Take one atomic step for a driver.

        An override may wait before it or after it, raise Unavailable before it or after it, take
        it late in a task of its own, or twice: all that a network and a client's timeout can do.
        """
        return step()
