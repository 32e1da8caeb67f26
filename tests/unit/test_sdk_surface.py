"""The SDK's public surface: its names, its twins, its error tree."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import incumbent
from incumbent import errors

# What differs between twins for the one reason that one of them awaits.
ASYNC = {
    "AsyncClient": "Client",
    "AsyncTerm": "Term",
    "AsyncIterator": "Iterator",
    "async with": "`with`",
    "asyncio.Event": "threading.Event",
    "asyncio": "threads",
    "_async": "_sync",
}
DUNDERS = {"__aenter__": "__enter__", "__aexit__": "__exit__"}
OWN = {  # each behaves by its own kind of caller
    "Term": {"__doc__", "win", "leave"},
    "Client": {"__doc__"},
}


def members(kind: type) -> dict[str, Callable[..., Any]]:
    """The public methods, by the names that the sync twin has for them."""
    found = dict(inspect.getmembers(kind, inspect.isfunction))
    named = {DUNDERS.get(name, name): each for name, each in found.items()}
    kept = {*DUNDERS.values(), "__init__"}
    return {name: each for name, each in named.items() if name in kept or not name.startswith("_")}


def plain(text: str) -> str:
    for word, twin in ASYNC.items():
        text = text.replace(word, twin)
    return text


def prose(function: Callable[..., Any]) -> str:
    """A docstring without its example, which has to await."""
    text = inspect.getdoc(function) or ""
    return plain(text.partition("Example:")[0].strip())


TWINS = [
    (incumbent.Client, incumbent.AsyncClient),
    (incumbent.Term, incumbent.AsyncTerm),
]


@pytest.mark.parametrize(("sync", "twin"), TWINS)
def test_twins_have_the_same_names(sync: type, twin: type) -> None:
    assert set(members(sync)) == set(members(twin)) - OWN[sync.__name__]


@pytest.mark.parametrize(
    ("sync", "twin"),
    [
        pytest.param(method, members(other)[name], id=f"{one.__name__}.{name}")
        for one, other in TWINS
        for name, method in members(one).items()
    ],
)
def test_twins_have_the_same_signatures_and_docstrings(
    sync: Callable[..., Any], twin: Callable[..., Any]
) -> None:
    assert plain(str(inspect.signature(sync))) == plain(str(inspect.signature(twin)))
    assert prose(sync) == prose(twin)


def test_the_names_are_sorted_and_are_all_there_are() -> None:
    assert incumbent.__all__ == sorted(incumbent.__all__)
    assert all(hasattr(incumbent, name) for name in incumbent.__all__)
    raised = {name for name, each in vars(errors).items() if inspect.isclass(each)}
    assert raised <= set(incumbent.__all__)


def test_the_error_tree_is_drawn_as_it_is() -> None:
    """Each line of the drawing: its indentation is its depth, its first word a class."""
    drawn = re.findall(r"^( {4}[│├└─ ]*)(\w+)", errors.__doc__ or "", re.MULTILINE)
    path: list[type] = []
    for indent, name in drawn:
        kind = getattr(errors, name)
        depth = (len(indent) - 4) // 4
        path[depth:] = [kind]
        if depth:
            assert kind.__bases__[0] is path[depth - 1]
    assert {name for _, name in drawn} == {
        name for name, each in vars(errors).items() if inspect.isclass(each)
    }


@pytest.mark.parametrize("part", ["_sync.py", "_async.py"])
def test_each_twin_is_short(part: str) -> None:
    source = inspect.getsourcefile(incumbent)
    assert source is not None
    assert len(Path(source).with_name(part).read_text().splitlines()) <= 250
