"""Operations and their outcomes, made of the calls and the answers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.histories.events import Called, Event, Returned


@dataclass(frozen=True, slots=True)
class Operation:
    """A call and, if it came, its answer. What has no certain outcome is open to the end."""

    called: Called
    returned: Returned | None

    @property
    def open(self) -> bool:
        return self.returned is None or self.returned.outcome == "unknown"

    @property
    def succeeded(self) -> Returned | None:
        """The answer that says that it did what was asked."""
        return self.returned if self.returned and self.returned.outcome == "ok" else None

    @property
    def token(self) -> int | None:
        """The term which it was about: the answer's word, else the caller's."""
        told = self.returned.token if self.returned else None
        return self.called.token if told is None else told


def pair(events: Iterable[Event]) -> Sequence[Operation]:
    """Pair calls with their first answers, in the order of the calls."""
    called: dict[tuple[str, str], Called] = {}
    returned: dict[tuple[str, str], Returned] = {}
    for event in events:
        if isinstance(event, Called):
            called.setdefault((event.who, event.op), event)
        elif isinstance(event, Returned):
            returned.setdefault((event.who, event.op), event)
    return [Operation(call, returned.get(key)) for key, call in called.items()]
