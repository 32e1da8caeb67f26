"""A violation, and its story: the lines that tell it, with times relative to the first."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from tests.histories.events import Event, Final, Observed

INSTANTS = ("until", "sent")
SHOWN_FIRST = ("at", "who", "note", "election", "token")  # in columns of their own
STORE = 0  # the number of what is none of the seven laws


@dataclass(frozen=True, slots=True)
class Violation:
    """A law that did not hold, what is wrong, and the events that show it."""

    law: int
    says: str
    events: tuple[Event, ...]

    def __str__(self) -> str:
        return "\n".join(self.story())

    def story(self) -> Iterator[str]:
        """Tell it line by line."""
        yield f"law {self.law}: {self.says}"
        told = {id(event): event for event in self.events}  # each once
        events = sorted(told.values(), key=lambda event: event.at)
        yield f"  since {events[0].at:.6f}:"
        for event in events:
            yield f"  {line(event, events[0].at)}"


def line(event: Event, since: float = 0.0) -> str:
    """Tell one event in one line, its instants relative to `since`."""
    columns = (
        f"{event.at - since:+11.6f}",
        f"{event.who:<10}",
        f"{event.what:<9}",
        getattr(event, "election", None) or "",
        _term(event),
        *_rest(event, since),
        f"({event.note})" if event.note else "",
    )
    return " ".join(column for column in columns if column)


def _term(event: Event) -> str:
    match event:
        case Final(token=None) | Observed(token=None, synced=False):
            return "vacant"
        case _:
            token = getattr(event, "token", None)
            return "" if token is None else f"#{token}"


def _rest(event: Event, since: float) -> Iterator[str]:
    for each in fields(event):
        value = getattr(event, each.name)
        if each.name in SHOWN_FIRST or value is None or value == each.default or value == {}:
            continue
        if each.name in INSTANTS:
            yield f"{each.name} {value - since:+.6f}"
        elif isinstance(value, bool):
            yield each.name if value else f"not {each.name}"
        elif isinstance(value, str):
            yield value
        else:
            yield f"{each.name} {value}"
