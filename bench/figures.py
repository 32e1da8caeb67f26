"""What a scenario hands back: figures, each with its range and, where there is one, its goal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.stats import median


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound; `at_least` says on which side of it is good."""

    bound: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number; `low` and `high` bound what the rounds showed."""

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    goal: Goal | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of one scenario; `series` is what they were made of, for the JSON file."""

    scenario: str
    figures: Sequence[Figure]
    series: Mapping[str, object] = field(default_factory=dict)
    remarks: Sequence[str] = ()


def of_rounds(name: str, unit: str, values: Sequence[float], goal: Goal | None = None) -> Figure:
    """The median of one value a round, with the range of all."""
    return Figure(name, median(values), unit, min(values), max(values), goal)
