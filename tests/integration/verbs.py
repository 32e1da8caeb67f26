"""Verbs of a backend in short words, for the tests that are special to one store."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from incumbent_backends.api import Backend, Snapshot, Synced, Term

SECOND = timedelta(seconds=1)


async def lead(backend: Backend, election: str = "e", **changes: Any) -> Term:
    """Win an election."""
    bid: dict[str, Any] = {"holder": secrets.token_hex(32), "attempt": 1, "candidate": "c"}
    bid["value"] = b""
    seen = await backend.acquire(election, **(bid | changes))
    assert seen.term is not None
    assert seen.term.session == backend.session
    return seen.term


async def move(backend: Backend, term: Term) -> Snapshot:
    """Ask for a term to move to this backend's session."""
    return await backend.acquire(
        term.election,
        holder=term.holder,
        attempt=term.attempt + 1,
        candidate="",
        value=None,
        resume=term.token,
    )


class Watch:
    """A watch past its first state, to be asked for the next news of an election."""

    def __init__(self, items: AsyncGenerator[Snapshot | Synced, None]) -> None:
        self.items = items
        self.first: dict[str, Term] = {}

    async def until(self, election: str, token: int | None, seconds: float = 5.0) -> Snapshot:
        """Await the news that this token leads the election; None: that nobody does."""
        async with asyncio.timeout(seconds):
            async for item in self.items:
                if isinstance(item, Snapshot) and item.election == election:
                    found = None if item.term is None else item.term.token
                    if found == token:
                        return item
        raise AssertionError("a watch never ends by itself")


@asynccontextmanager
async def watching(backend: Backend) -> AsyncIterator[Watch]:
    watch = Watch(backend.watch())
    try:
        async with asyncio.timeout(5):
            async for item in watch.items:
                if isinstance(item, Synced):
                    break
                assert item.term is not None
                watch.first[item.election] = item.term
        yield watch
    finally:
        await watch.items.aclose()
