"""Everybody who watches a store by one backend: each is told the latest state, never a queue."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from incumbent_backends.api import Snapshot, Synced, Unavailable


class Subscriber:
    """One watch(): the latest news of each election that its reader has not fetched yet."""

    def __init__(self) -> None:
        self._arrived = asyncio.Event()
        self._news: dict[str, Snapshot] = {}
        self._synced = False
        self._error: str | None = None

    def tell(self, news: Sequence[Snapshot], *, synced: bool = False) -> None:
        self._news.update((item.election, item) for item in news)
        self._synced = self._synced or synced
        self._arrived.set()

    def fail(self, error: str) -> None:
        self._error = error
        self._arrived.set()

    async def items(self) -> AsyncGenerator[Snapshot | Synced, None]:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._news:
                yield self._news.pop(next(iter(self._news)))
            if self._synced:
                self._synced = False
                yield Synced()
            if self._error is not None:
                raise Unavailable(self._error)


class Audience:
    """Who watches, for a driver whose one task tells all of them; `joined` calls that task."""

    def __init__(self, joined: Callable[[], None]) -> None:
        self.newcomers: list[Subscriber] = []  # who were told nothing yet
        self._joined = joined
        self._listeners: list[Subscriber] = []
        self._closed = False

    @property
    def listens(self) -> bool:
        """Whether somebody is there who was told the whole state."""
        return bool(self._listeners)

    async def watch(self) -> AsyncGenerator[Snapshot | Synced, None]:
        """See Backend.watch."""
        if self._closed:
            raise Unavailable("this gateway has closed its store")
        subscriber = Subscriber()
        self.newcomers.append(subscriber)
        self._joined()
        try:
            async for item in subscriber.items():
                yield item
        finally:
            for group in (self._listeners, self.newcomers):
                if subscriber in group:
                    group.remove(subscriber)

    def welcome(self, newcomers: Sequence[Subscriber], state: Sequence[Snapshot]) -> None:
        """Tell the whole state to those who had come when it was asked for, and are still here."""
        for subscriber in [each for each in newcomers if each in self.newcomers]:
            self.newcomers.remove(subscriber)  # until now it has missed nothing
            self._listeners.append(subscriber)
            subscriber.tell(state, synced=True)

    def tell(self, news: Sequence[Snapshot]) -> None:
        for subscriber in self._listeners if news else ():
            subscriber.tell(news)

    def dismiss(self, error: str, last: Sequence[Snapshot] = ()) -> bool:
        """End every watch, after these last news; return whether there was one."""
        dismissed = self._listeners + self.newcomers
        self._listeners, self.newcomers = [], []
        for subscriber in dismissed:
            subscriber.tell(last)
            subscriber.fail(error)
        return bool(dismissed)

    def close(self) -> None:
        """Let nobody in any more."""
        self._closed = True
