"""What a gateway logs while it waits for its store: each thing once, not at each try."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Self

import pytest

from incumbent_backends.api import Backend, Options, Unavailable
from incumbent_backends.memory import Memory
from incumbent_server import app
from incumbent_server.clock import System
from incumbent_server.config import load


class Log:
    """Hears what is warned of."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def warning(self, _: str, *, error: str) -> None:
        self.errors.append(error)


class Away(Memory):
    """A store that is not there yet, for as long as there are causes."""

    causes: Iterator[str]

    async def __aenter__(self) -> Self:
        for cause in self.causes:
            raise Unavailable(cause)
        return await super().__aenter__()


async def test_what_stays_as_it_is_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    causes = iter(["unreachable"] * 5 + ["starting"] * 3 + ["unreachable"])

    def open_backend(url: str, options: Options) -> Backend:
        backend = Away(url, options)
        backend.causes = causes
        return backend

    log = Log()
    monkeypatch.setattr(app, "log", log)
    monkeypatch.setattr(app, "open_backend", open_backend)
    monkeypatch.setattr(app, "RETRY", 0.0)
    settings = load(["--backend", "memory://"], {})
    async with AsyncExitStack() as stack:
        await app._opened(stack, settings, System(), asyncio.Event())
    assert log.errors == ["unreachable", "starting", "unreachable"]
