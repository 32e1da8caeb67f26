"""Values as an operator writes them.

Each `parse_…` raises ValueError; its text completes "SETTING must be …" and never repeats what was
given, because that may hold a password.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final, Self, TypeVar

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) *(ms|s|m|h)?")
_SIZE = re.compile(r"([0-9]{1,12}) *(B|KiB|MiB)?")
_COUNT = re.compile(r"[0-9]{1,12}")
_ADDRESS = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]/@]+)):(?P<port>[0-9]{1,5})"
)
_SEGMENT = re.compile(r"[A-Za-z0-9._-]{1,63}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\x00-\x1f\x7f]*")

_UNITS: Final = {
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_BYTES: Final = {"MiB": 2**20, "KiB": 2**10, "B": 1}

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0 lets the system choose a free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `host:port`; an IPv6 host stands in brackets."""
        match = _ADDRESS.fullmatch(text)
        if match is None or int(match["port"]) > 65535:
            raise ValueError(
                "HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:7400 or [::1]:7400"
            )
        return cls(match["v6"] or match["host"], int(match["port"]))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_duration(low: timedelta, high: timedelta) -> Callable[[str], timedelta]:
    """From `15s`, `500ms`, `1m`, `1h`, within the range; a bare number counts seconds."""

    def parse(text: str) -> timedelta:
        match = _DURATION.fullmatch(text)
        period = match and float(match[1]) * _UNITS[match[2] or "s"]
        if period is None or not low <= period <= high:
            raise ValueError(f"a duration from {show(low)} to {show(high)}, such as 15s or 500ms")
        return period

    return parse


def parse_size(low: int, high: int) -> Callable[[str], int]:
    """From `64KiB`, `1MiB`, within the range; a bare number counts bytes."""

    def parse(text: str) -> int:
        match = _SIZE.fullmatch(text)
        size = match and int(match[1]) * _BYTES[match[2] or "B"]
        if size is None or not low <= size <= high:
            raise ValueError(f"a number of bytes from {low} to {high}, such as 65536 or 64KiB")
        return size

    return parse


def parse_count(low: int, high: int) -> Callable[[str], int]:
    """A whole number within the range."""

    def parse(text: str) -> int:
        if not _COUNT.fullmatch(text) or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return parse


def parse_choice(kind: type[Choice]) -> Callable[[str], Choice]:
    """One of the words of `kind`, in any case."""

    def parse(text: str) -> Choice:
        try:
            return kind(text.lower())
        except ValueError:
            raise ValueError(f"one of {', '.join(kind)}") from None

    return parse


def parse_segment(text: str) -> str:
    """One segment of a name."""
    if not _SEGMENT.fullmatch(text) or text in {".", ".."}:
        raise ValueError("1 to 63 characters A-Z a-z 0-9 . _ - and neither '.' nor '..'")
    return text


def parse_backend_url(text: str) -> str:
    """A URL with a scheme; which schemes there are is for the registry of drivers to say."""
    if not _URL.fullmatch(text):
        raise ValueError("a URL with a scheme, such as sqlite:////var/lib/incumbent/elections.db")
    return text


def redacted(url: str) -> str:
    """The URL without its secrets, fit for a log.

    Hidden are the password before the last `@`, which may hold any character; a user without a
    password, who may be a token whose colon was forgotten; and what every parameter says. Without a
    scheme nothing is shown.
    """
    scheme, mark, rest = url.partition("://")
    if not mark:
        return "***"
    owner, at, place = rest.rpartition("@")
    user, colon, _ = owner.partition(":")
    who = f"{user}:***" if colon else "***" if owner else ""
    place, question, query = place.partition("?")
    parameters = "&".join(map(_redacted_parameter, query.split("&"))) if query else ""
    return f"{scheme}://{who}{at}{place}{question}{parameters}"


def _redacted_parameter(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    return f"{name}=***" if equals else "***"


def show(value: object) -> str:
    """A value as an operator would write it."""
    if not isinstance(value, timedelta):
        return str(value)
    for name, unit in _UNITS.items():
        if value and value % unit == timedelta():
            return f"{value // unit}{name}"
    return f"{value / _UNITS['s']:g}s"
