"""Fan-out: one watch of the store serves every observer of this gateway."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping

from incumbent_backends.api import Term
from incumbent_server.reasons import Reason, refused


def prefixes(election: str) -> Iterator[str]:
    """List the prefixes that an election falls under: "" and each that ends at a "/"."""
    yield ""
    for place, letter in enumerate(election):
        if letter == "/":
            yield election[: place + 1]


class Observer:
    """One reader of an election or of a prefix. It holds the latest state, never a queue."""

    __slots__ = ("_changed", "_over", "_pending", "key")

    def __init__(self, key: str, present: Mapping[str, Term | None]) -> None:
        self.key = key
        self._pending: dict[str, tuple[bool, Term | None]] = {
            election: (False, term) for election, term in present.items()
        }
        self._changed = asyncio.Event()
        self._over = False

    def put(self, election: str, term: Term | None, *, vacated: bool) -> None:
        """Replace what is still unread of `election`; `vacated`: nobody led in between."""
        unread = self._pending.get(election)
        if unread is not None:
            vacated = vacated or unread[0] or unread[1] is None
        self._pending[election] = (vacated and term is not None, term)
        self._changed.set()

    def take(self) -> list[tuple[str, Term | None]]:
        """Hand over what changed since the last call, by name; a vacancy before its successor."""
        pending, self._pending = self._pending, {}
        self._changed.clear()
        told: list[tuple[str, Term | None]] = []
        for election, (vacated, term) in sorted(pending.items(), key=lambda item: item[0]):
            if vacated:
                told.append((election, None))
            told.append((election, term))
        return told

    def finish(self) -> None:
        """Let the reader go: this gateway drains."""
        self._over = True
        self._changed.set()

    async def changes(self) -> list[tuple[str, Term | None]]:
        """Wait until something changed, then hand it over; Refused once the gateway drains."""
        while not self._pending:
            if self._over:
                raise refused(Reason.GATEWAY_DRAINING, self.key)
            await self._changed.wait()
            self._changed.clear()
        return self.take()


class Observers:
    """All readers, by what they look at."""

    def __init__(self) -> None:
        self._by_key: dict[str, dict[Observer, None]] = defaultdict(dict)

    def __len__(self) -> int:
        return sum(len(group) for group in self._by_key.values())

    def add(self, observer: Observer) -> None:
        self._by_key[observer.key][observer] = None

    def discard(self, observer: Observer) -> None:
        group = self._by_key[observer.key]
        group.pop(observer, None)
        if not group:
            del self._by_key[observer.key]

    def finish(self) -> None:
        for group in self._by_key.values():
            for observer in group:
                observer.finish()

    def publish(self, election: str, term: Term | None, *, vacated: bool = False) -> None:
        """Tell everybody who looks at `election`. (A name never ends at a "/", a prefix does.)"""
        for key in (election, *prefixes(election)):
            for observer in self._by_key.get(key, ()):
                observer.put(election, term, vacated=vacated)
