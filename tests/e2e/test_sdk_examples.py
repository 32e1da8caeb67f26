"""Every public name of the SDK has an example in its docstring, and each does what it says."""

import ast
import asyncio
import doctest
import inspect
import io
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from typing import Any

import pytest

import incumbent
from tests.gateways import Gateway

CLIENTS = (incumbent.Client, incumbent.AsyncClient)
TERMS = (incumbent.Term, incumbent.AsyncTerm)


def documented() -> Iterator[tuple[str, Any]]:
    """Every class, and every method that a caller calls."""
    for name in incumbent.__all__:
        kind = getattr(incumbent, name)
        yield name, kind
        if kind in CLIENTS or kind in TERMS:
            for method, function in inspect.getmembers(kind, inspect.isfunction):
                if not method.startswith("_") and "Not for callers" not in (function.__doc__ or ""):
                    yield f"{name}.{method}", function


def work(*, fence: int) -> None:
    assert fence > 0
    print("worked")


class _Checker:
    """Runs the examples of one docstring; `await` needs no function around it."""

    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names

    async def run(self, example: doctest.Example) -> str:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(example.source, "<example>", "single", flags=flags)
        out = io.StringIO()
        with redirect_stdout(out):
            try:
                result = eval(code, self._names)
                if inspect.iscoroutine(result):
                    await result
            except Exception as error:
                if example.exc_msg is None:
                    raise
                return f"{type(error).__name__}: {error}\n"
        return out.getvalue()


@pytest.mark.parametrize(
    ("name", "thing"), [pytest.param(*each, id=each[0]) for each in documented()]
)
async def test_the_example_of(name: str, thing: Callable[..., Any], gateway: Gateway) -> None:
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(thing) or "")
    assert examples, f"{name} has no example"
    awaits = any("await " in each.source or "async " in each.source for each in examples)
    client = (incumbent.AsyncClient if awaits else incumbent.Client)(gateway.grpc)
    names = {"incumbent": incumbent, "client": client, "address": gateway.grpc, "work": work}
    checker = _Checker(names | {"asyncio": asyncio})
    try:
        for example in examples:
            said = await checker.run(example)
            assert said == (example.exc_msg or example.want)
    finally:
        closed = client.close()
        if asyncio.iscoroutine(closed):
            await closed
