"""Reads the files of a run into one history."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from tests.histories.events import KINDS, Event
from tests.histories.history import History

POSITIVE = ("token", "attempt", "above")


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a line of one kind may and must hold."""

    kind: type[Event]
    types: Mapping[str, Any]
    required: frozenset[str]


def _shape(kind: type[Event]) -> _Shape:
    hints = get_type_hints(kind)
    return _Shape(
        kind,
        {each.name: hints[each.name] for each in fields(kind)},
        frozenset(
            each.name
            for each in fields(kind)
            if each.default is MISSING and each.default_factory is MISSING
        ),
    )


SHAPES = {what: _shape(kind) for what, kind in KINDS.items()}


class Unreadable(Exception):
    """A file is no part of a history; the message says which, where and why."""


class _Wrong(Exception):
    """A line is no event."""


def read(paths: Iterable[str | Path]) -> History:
    """Read all files as one history; `Unreadable` if a line is none of it.

    A last line without its newline that is no whole JSON is the trace of a killed process: it is
    dropped, and its file is named in `History.torn`.
    """
    events: list[Event] = []
    torn: list[str] = []
    for path in paths:
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise Unreadable(f"{path}: {error.strerror or error}") from error
        lines = content.split(b"\n")
        tail = lines.pop()
        for number, line in enumerate(lines, 1):
            events.append(_parse(line, path, number))
        if tail and _is_json(tail):
            events.append(_parse(tail, path, len(lines) + 1))
        elif tail:
            torn.append(str(path))
    return History(events, torn)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _parse(line: bytes, path: str | Path, number: int) -> Event:
    try:
        return _event(json.loads(line, parse_constant=_no_number))
    except ValueError as error:
        raise Unreadable(f"{path}, line {number}: no JSON: {error}") from error
    except _Wrong as wrong:
        raise Unreadable(f"{path}, line {number}: {wrong}") from wrong


def _no_number(constant: str) -> float:
    raise _Wrong(f"{constant} is no number")


def _event(entry: object) -> Event:
    if not isinstance(entry, dict):
        raise _Wrong("no JSON object")
    what = entry.pop("what", None)
    shape = SHAPES.get(what) if isinstance(what, str) else None
    if shape is None:
        raise _Wrong(f"no event is called {what!r}")
    for name, value in entry.items():
        if name not in shape.types:
            raise _Wrong(f"{what} has no field {name!r}")
        if not _fits(value, shape.types[name]) or (
            name in POSITIVE and value is not None and value < 1
        ):
            raise _Wrong(f"{name} of {what} cannot be {value!r}")
    missing = shape.required - entry.keys()
    if missing:
        raise _Wrong(f"{what} lacks {', '.join(sorted(missing))}")
    return shape.kind(**entry)


def _fits(value: object, wanted: Any) -> bool:
    """Tell whether a JSON value is one of the types that an event's field may have."""
    if wanted is float:
        return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
    if isinstance(wanted, UnionType):
        return any(_fits(value, each) for each in get_args(wanted))
    origin = get_origin(wanted)
    if origin is None:
        return type(value) is wanted
    if origin is Literal:
        return value in get_args(wanted)
    if origin is list:
        (inner,) = get_args(wanted)
        return isinstance(value, list) and all(_fits(each, inner) for each in value)
    _, inner = get_args(wanted)  # of a mapping, whose keys are strings in JSON
    return isinstance(value, dict) and all(_fits(each, inner) for each in value.values())
