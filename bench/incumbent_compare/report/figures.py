"""What is said of the samples: their statistics, and whether a goal was met."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from incumbent_compare.report.numbers import NONE, amount, beside, off, spread, times
from incumbent_compare.results import Goal, Quantity, Run, Series

ENOUGH = 100
"""Of fewer samples the p99 would be the largest one under another name."""


@dataclass(frozen=True, slots=True)
class Stats:
    """A quantity in words."""

    samples: str
    median: str
    range: str
    tail: str


def stats(quantity: Quantity) -> Stats:
    """The figures of a table: median, range of the repetitions' medians, p99 or the largest."""
    count = len(quantity.samples)
    counts = {len(samples) for samples in quantity.repetitions}
    each = counts.pop() if len(counts) == 1 else None
    runs, unit = len(quantity.repetitions), beside(quantity.unit)
    medians, tail = quantity.medians(), NONE
    if count > 1:
        tail = f"most {amount(quantity.p(100), unit)}"
    if count >= ENOUGH:
        tail = amount(quantity.p(99), unit)
    return Stats(
        samples=f"{runs} × {each:,}" if each else f"{count:,} in {runs}",
        median=amount(middle(quantity), unit),
        range=spread(min(medians), max(medians), unit) if runs > 1 else NONE,
        tail=tail,
    )


def named(quantity: Quantity) -> str:
    """What it is, with its unit where that does not stand beside each value."""
    if beside(quantity.unit) or not quantity.unit or quantity.unit in quantity.name.split():
        return quantity.name
    return f"{quantity.name}, {quantity.unit}"


def middle(quantity: Quantity) -> float:
    """The median of all samples."""
    return median(quantity.samples)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a goal was met; `met` is None where the peer to compare with is missing."""

    met: bool | None
    goal: str
    found: str


_WORDS = {"p50": "median", "p99": "p99", "max": "largest"}


def verdicts(quantity: Quantity, series: Series, run: Run) -> tuple[Verdict, ...]:
    """Hold the quantity against its goals."""
    return tuple(_verdict(goal, quantity, series, run) for goal in quantity.goals)


def _verdict(goal: Goal, quantity: Quantity, series: Series, run: Run) -> Verdict:
    sign = "≥" if goal.at_least else "≤"
    few = goal.statistic == "p99" and len(quantity.samples) < ENOUGH
    words = f"{_WORDS[goal.statistic]}{', here the largest,' if few else ''} {sign}"
    if goal.over is None:
        value, unit = _statistic(quantity, goal), beside(quantity.unit)
        bound, shown = amount(goal.bound, unit), amount(value, unit)
        far = amount(abs(value - goal.bound), unit)
        if goal.bound:
            far = f"{far} ({off(value, goal.bound, ratio=False)})"
    else:
        ratio = _ratio(quantity, goal, _peer(quantity, goal.over, series, run))
        joined = "of" if goal.bound <= 1 else "the"
        bound = f"{times(goal.bound, bound=goal.bound)} {joined} {goal.over}"
        if ratio is None:
            return Verdict(
                None, f"{words} {bound}", f"not judged: nothing of {goal.over} to compare"
            )
        value, shown = ratio, times(ratio, bound=goal.bound)
        far = off(ratio, goal.bound, ratio=True)
    met = value >= goal.bound if goal.at_least else value <= goal.bound
    found = f"met: {shown}" if met else f"missed by {far}: {shown}"
    return Verdict(met, f"{words} {bound}", found)


def _statistic(quantity: Quantity, goal: Goal) -> float:
    if goal.statistic == "p50":
        return middle(quantity)
    return quantity.p(99 if goal.statistic == "p99" else 100)


def _peer(quantity: Quantity, title: str, series: Series, run: Run) -> Quantity | None:
    """The same quantity of the series of that title, on this store and like it if there is one."""

    def nearness(other: Series) -> tuple[bool, int]:
        same = sum(other.parameters.get(name) == value for name, value in series.parameters.items())
        return (other.store == series.store, same)

    found = [
        (nearness(other), peer)
        for other in run.series
        if other.scenario == series.scenario and other.title == title and other is not series
        for peer in other.quantities
        if (peer.name, peer.unit) == (quantity.name, quantity.unit)
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _ratio(quantity: Quantity, goal: Goal, peer: Quantity | None) -> float | None:
    """Taken within each repetition first, as both ran in turn: a busy minute hits both."""
    if peer is None:
        return None
    pairs = [(quantity, peer)]
    if len(quantity.repetitions) == len(peer.repetitions):
        both = zip(quantity.repetitions, peer.repetitions, strict=True)
        pairs = [(_alone(quantity, one), _alone(peer, two)) for one, two in both]
    values = [(_statistic(one, goal), _statistic(two, goal)) for one, two in pairs]
    ratios = [value / other for value, other in values if other]
    return median(ratios) if ratios else None


def _alone(quantity: Quantity, samples: tuple[float, ...]) -> Quantity:
    return quantity.model_copy(update={"repetitions": (samples,)})


def clean(run: Run) -> Run:
    """The run without what no page can show: control characters, and samples that are no number."""
    plain = Run.model_validate(_plain(run.model_dump()))
    return plain.model_copy(update={"series": tuple(map(_measured, plain.series))})


def _plain(part: Any) -> Any:
    if isinstance(part, str):
        return "".join(_character(one) for one in part)
    if isinstance(part, dict):
        return {_plain(name): _plain(value) for name, value in part.items()}
    if isinstance(part, tuple | list):
        return [_plain(value) for value in part]
    return part


def _character(one: str) -> str:
    if one in "\t\n\r":
        return " "
    code = ord(one)
    forbidden = code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000
    # What turns the direction of text around, and what is no character at all.
    forbidden |= 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069 or (code & 0xFFFE) == 0xFFFE
    return "\N{REPLACEMENT CHARACTER}" if forbidden else one


def _measured(series: Series) -> Series:
    kept, lost = [], []
    for quantity in series.quantities:
        repetitions = tuple(filter(None, map(tuple, map(_numbers, quantity.repetitions))))
        if repetitions:
            kept.append(quantity.model_copy(update={"repetitions": repetitions}))
        else:
            lost.append(f"{quantity.name}: no sample")
    update = {"quantities": tuple(kept), "remarks": (*series.remarks, *lost)}
    return series.model_copy(update=update)


def _numbers(samples: Iterable[float]) -> Iterator[float]:
    return (sample for sample in samples if math.isfinite(sample))
