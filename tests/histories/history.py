"""A parsed history: the events in order, and what they make together."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TypeVar

from tests.histories.beliefs import Belief, fold
from tests.histories.events import Event
from tests.histories.operations import Operation, pair

E = TypeVar("E", bound=Event)
GRAIN = 1e-6  # seconds; instants that were converted between clocks are no more exact


class History:
    """Events in the order of `at`; `torn` names the files whose last line was cut off."""

    def __init__(self, events: Iterable[Event], torn: Sequence[str] = ()) -> None:
        self.events = tuple(sorted(events, key=lambda event: event.at))
        self.torn = tuple(torn)

    def of(self, kind: type[E]) -> Iterator[E]:
        """Go through the events of one kind, in order."""
        return (event for event in self.events if isinstance(event, kind))

    @cached_property
    def beliefs(self) -> Sequence[Belief]:
        """In the order in which they began."""
        return fold(self.events)

    @cached_property
    def operations(self) -> Sequence[Operation]:
        """In the order in which they were called."""
        return pair(self.events)
