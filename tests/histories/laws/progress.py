"""Law 7: no vacancy is longer than its bound, and nothing is left behind.

An election is led while the store holds a term of it, if the store's own account is there, else
while some client believes. Vacancy is the rest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.histories.events import Bound, Event, Final, Left, Stored
from tests.histories.history import GRAIN, History
from tests.histories.story import Violation


@dataclass(frozen=True, slots=True)
class _Span:
    """A time in which a term was led; `lines` tell its begin and its end."""

    token: int
    begin: float
    end: float
    lines: tuple[Event, ...]


def no_long_vacancy_and_nothing_left(history: History) -> Iterator[Violation]:
    """7: vacancies keep to their bounds; no ghost term, no leftover."""
    yield from _vacancies(history)
    yield from _ghosts(history)
    for left in history.of(Left):
        yield Violation(7, f"left behind: {left.thing}", (left,))


def _vacancies(history: History) -> Iterator[Violation]:
    bounds: dict[str, list[Bound]] = {}
    for bound in history.of(Bound):
        bounds.setdefault(bound.election, []).append(bound)
    for election, each in bounds.items():
        spans = _led(history, election)
        ends = [*(bound.at for bound in each[1:]), history.events[-1].at]
        for bound, end in zip(each, ends, strict=True):
            yield from _keep(bound, end, spans)


def _led(history: History, election: str) -> Sequence[_Span]:
    stored = [event for event in history.of(Stored) if event.election == election]
    if stored:
        return _by_the_store(stored)
    return [
        _Span(belief.token, belief.begin, belief.end, belief.story)
        for belief in history.beliefs
        if belief.election == election and belief.end > belief.begin
    ]


def _by_the_store(stored: Sequence[Stored]) -> Sequence[_Span]:
    granted: dict[int, Stored] = {}
    spans: dict[int, _Span] = {}
    for event in stored:
        if event.change == "granted":
            granted[event.token] = event
            spans[event.token] = _Span(event.token, event.at, float("inf"), (event,))
        elif event.change == "ended" and (begin := granted.get(event.token)) is not None:
            spans[event.token] = _Span(event.token, begin.at, event.at, (begin, event))
    return list(spans.values())


def _keep(bound: Bound, end: float, spans: Sequence[_Span]) -> Iterator[Violation]:
    """Look for spans of vacancy between the bound's begin and `end`."""
    if bound.seconds is None:
        return
    free, before = bound.at, None
    for span in spans:
        if span.end <= free or span.begin >= end or span.token <= (bound.above or 0):
            continue
        if span.begin > free + bound.seconds + GRAIN:
            yield _vacancy(bound, free, span.begin, before, span)
        free, before = max(free, span.end), span
    if end > free + bound.seconds + GRAIN:
        yield _vacancy(bound, free, end, before, None)


def _vacancy(
    bound: Bound, begin: float, end: float, before: _Span | None, after: _Span | None
) -> Violation:
    says = f"{bound.election} was vacant for {end - begin:.6f} s, at most {bound.seconds} s may be"
    lines: tuple[Event, ...] = (bound,)
    if before is not None:
        lines += before.lines
    if after is not None:
        lines += after.lines[:1]
    return Violation(7, says, lines)


def _ghosts(history: History) -> Iterator[Violation]:
    for final in history.of(Final):
        if final.token is None:
            continue
        beliefs = [
            b for b in history.beliefs if (b.election, b.token) == (final.election, final.token)
        ]
        if not any(belief.end > final.at for belief in beliefs):
            says = f"{final.election} still has #{final.token}, under which nobody leads"
            lines = tuple(event for belief in beliefs for event in belief.story)
            yield Violation(7, says, (*lines, final))
