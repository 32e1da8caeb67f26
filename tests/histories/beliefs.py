"""Who believed to lead, from when to when, made of what the clients recorded."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.histories.events import Called, Ended, Event, Fault, Granted, Trusted

Key = tuple[str, str, int]  # who, election, token


@dataclass(frozen=True, slots=True)
class Belief:
    """One client's belief under one token: from the granting answer to the end of trust.

    It ends at the last `until`, or before that at the client's own end or the sending of its
    resign; who is killed believes until then too, or no more, if it counted no trust. Trust that
    ran out and was taken up again counts as one belief, the gap included: a client that keeps the
    rules has none.
    """

    who: str
    election: str
    token: int
    begin: float
    end: float  # inf: without trust, and never ended
    guarded: bool
    fault: Fault | None  # the first one that ended its term by hand
    lines: tuple[Event, ...]  # what it is made of

    @property
    def judged_until(self) -> float:
        """Until when law 2 holds it to account: its begin, if not at all."""
        if not self.guarded:
            return self.begin
        return self.end if self.fault is None else max(self.begin, min(self.end, self.fault.at))

    @property
    def story(self) -> tuple[Event, ...]:
        """The lines that tell its begin and its end."""
        return (self.lines[0], *self.lines[1:][-2:])


def fold(events: Iterable[Event]) -> Sequence[Belief]:
    """Make the beliefs of a history, in the order in which they began."""
    lines: dict[Key, list[Event]] = {}
    by_hand: dict[tuple[str, int], Fault] = {}
    for event in events:
        if isinstance(event, Granted | Trusted):
            lines.setdefault((event.who, event.election, event.token), []).append(event)
        elif isinstance(event, Fault):
            for key in _killed(event, lines):
                lines[key].append(event)
            for ended in _exempt(event):
                by_hand.setdefault(ended, event)
        elif (over := _over(event)) is not None and over in lines:
            lines[over].append(event)
    return [_believe(key, told, by_hand.get(key[1:])) for key, told in lines.items()]


def _over(event: Event) -> Key | None:
    """Tell whose belief the client says to be over."""
    match event:
        case Ended():
            return event.who, event.election, event.token
        case Called(kind="resign", election=str(election), token=int(token)):
            return event.who, election, token
        case _:
            return None


def _killed(fault: Fault, keys: Iterable[Key]) -> list[Key]:
    return [key for key in keys if fault.kind == "kill" and key[0] == fault.whom]


def _exempt(fault: Fault) -> Iterator[tuple[str, int]]:
    for election, tokens in fault.exempts.items():
        for token in tokens:
            yield election, token


def _believe(key: Key, lines: Sequence[Event], fault: Fault | None) -> Belief:
    first = lines[0]
    guarded = not isinstance(first, Granted) or first.guarded
    return Belief(*key, first.at, _end(lines), guarded, fault, tuple(lines))


def _end(lines: Sequence[Event]) -> float:
    end = lines[0].at
    for line in lines:
        if isinstance(line, Fault) and end < math.inf:
            continue  # who was killed with trust left might have gone on to its end
        end = min(end, line.at)  # what was believed before counts up to here
        if isinstance(line, Granted | Trusted):
            end = max(end, math.inf if line.until is None else line.until)
    return end
