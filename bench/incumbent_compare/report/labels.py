"""How the series of a scenario are told apart: by what differs among them, and by nothing else."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from incumbent_compare.report.numbers import parameter
from incumbent_compare.results import Series

Value = float | int | str


@dataclass(frozen=True, slots=True)
class Labels:
    """The settings of a scenario: those that all its series share, and those that vary."""

    shared: dict[str, Value] = field(default_factory=dict)
    varied: tuple[str, ...] = ()
    unclear: bool = False
    """Whether titles alone do not tell the series of a store apart."""

    def of(self, series: Series) -> str:
        """The title of a series, with what varies where titles do not tell: `gateway, ttl 3`."""
        return ", ".join([series.title, *self._settings(series, "")])

    def _settings(self, series: Series, but: str) -> Iterator[str]:
        for name in self.varied if self.unclear else ():
            if name in series.parameters and name != but:
                yield said(name, series.parameters[name])

    def swept(self, all_series: Sequence[Series]) -> str | None:
        """The one number that grows while all else stays, for lines to be drawn over; or None."""
        numbers = [
            name
            for name in self.varied
            if all(not isinstance(one.parameters.get(name, 0), str) for one in all_series)
        ]
        if len(numbers) != 1:
            return None
        (name,) = numbers
        lines: dict[tuple[str, str], set[Value]] = {}
        for one in all_series:
            if name in one.parameters:
                lines.setdefault(self.line(one, name), set()).add(one.parameters[name])
        return name if any(len(values) > 1 for values in lines.values()) else None

    def line(self, series: Series, swept: str) -> tuple[str, str]:
        """The line that a series is a point of: its store, and its label without that number."""
        value = re.escape(parameter(series.parameters[swept]))
        number = re.compile(rf"(?<![\w.,]){value}(?![\w.]|,\d)")
        title = [part for part in series.title.split(", ") if not number.search(part)]
        return series.store, ", ".join([*title, *self._settings(series, swept)])


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
    titles = {(one.store, one.way, one.title) for one in all_series}
    return Labels(shared, tuple(varied), unclear=len(titles) < len(all_series))


def said(name: str, value: Value) -> str:
    """A setting in words: a word speaks for itself, a number does not."""
    if isinstance(value, str):
        return value
    if name.endswith("s"):  # a number of things: 500 streams
        return f"{parameter(value)} {plain(name.removesuffix('s') if value == 1 else name)}"
    return f"{plain(name)} {parameter(value)}"


def in_words(settings: Iterable[tuple[str, Value]]) -> str:
    """Settings in a row: `ttl 10, repetitions 5`."""
    return ", ".join(f"{plain(name)} {parameter(value)}" for name, value in settings)


def plain(name: str) -> str:
    """The name of a setting as people write it."""
    return name.replace("_", " ")
