"""How the series of a scenario are told apart: by what differs among them, and by nothing else."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from incumbent_compare.report.numbers import parameter
from incumbent_compare.results import Series

Value = float | int | str


@dataclass(frozen=True, slots=True)
class Labels:
    """The settings of a scenario: those that all its series share, and those that vary."""

    shared: dict[str, Value] = field(default_factory=dict)
    varied: tuple[str, ...] = ()

    def of(self, series: Series) -> str:
        """The title of a series, with its settings where they vary: `gateway, streams 500`."""
        return ", ".join([series.title, *self.settings(series)])

    def settings(self, series: Series, *, but: str = "") -> list[str]:
        """What varies, as this series has it."""
        return [
            said(name, series.parameters[name])
            for name in self.varied
            if name in series.parameters and name != but
        ]

    def swept(self, all_series: Sequence[Series]) -> str | None:
        """The one number that grows while all else stays, for lines to be drawn over; or None."""
        numbers = [
            name
            for name in self.varied
            if all(not isinstance(series.parameters.get(name, 0), str) for series in all_series)
        ]
        for name in numbers:
            lines: dict[tuple[str, str], set[Value]] = {}
            for series in all_series:
                if name in series.parameters:
                    values = lines.setdefault(self.line(series, name), set())
                    values.add(series.parameters[name])
            if any(len(values) > 1 for values in lines.values()) and len(numbers) == 1:
                return name
        return None

    def line(self, series: Series, swept: str) -> tuple[str, str]:
        """The line that a series is a point of: its store, and its label without that number."""
        return series.store, ", ".join([series.title, *self.settings(series, but=swept)])


def labels(all_series: Sequence[Series]) -> Labels:
    """Find what the series share, and in what they differ."""
    names = dict.fromkeys(name for series in all_series for name in series.parameters)
    shared: dict[str, Value] = {}
    varied = []
    for name in names:
        values = [series.parameters.get(name) for series in all_series]
        first = values[0]
        if first is not None and all(value == first for value in values):
            shared[name] = first
        else:
            varied.append(name)
    return Labels(shared, tuple(varied))


def said(name: str, value: Value) -> str:
    """A setting in words: a word speaks for itself, a number does not."""
    return value if isinstance(value, str) else f"{name} {parameter(value)}"


def in_words(settings: Iterable[tuple[str, Value]]) -> str:
    """Settings in a row: `ttl 10, repetitions 5`."""
    return ", ".join(f"{name} {parameter(value)}" for name, value in settings)
