"""Durations as people write them: 10s, 500ms, 1m, 1h, or a bare number of seconds."""

import math
import re
from typing import Any, Final

import click

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_FORM: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)", re.ASCII)


def seconds(text: str) -> float:
    """Read a duration; ValueError says what is allowed."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration: write 10s, 500ms, 1m or 1h")
    number, unit = match.groups()
    return float(number) * _UNITS[unit]


class Duration(click.ParamType):  # type: ignore[type-arg]  # click 8.2 has no ParamType[float]
    """An option's value that is a duration, in seconds; or `never`, inf, where that is allowed."""

    name = "duration"

    def __init__(self, *, never: bool = False, least: float = 0.0, most: float = 3600.0) -> None:
        self._never, self._least, self._most = never, least, most

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """See click."""
        if not isinstance(value, str):
            return float(value)
        if self._never and value == "never":
            return math.inf
        try:
            duration = seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not self._least <= duration <= self._most:
            self.fail(f"{value} is not from {self._least:g}s to {self._most:g}s", param, ctx)
        return duration
