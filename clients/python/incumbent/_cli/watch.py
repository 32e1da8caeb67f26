"""Until when we may believe that we lead, as the SDK tells it, for the event loop of `run`."""

import asyncio
import math
from contextlib import suppress

from incumbent import Trust
from incumbent._cli.guard.linux import boottime

_ENOUGH = 2  # something is begun with 1 / _ENOUGH of the ttl left, or after a renewal


class Watch:
    """The present end of trust, and a way to wait until it moves."""

    def __init__(self) -> None:
        self.until = -math.inf  # seconds of CLOCK_BOOTTIME; -inf: there is no trust
        self._moved = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def told(self, trust: Trust) -> None:
        """Take a change, on the SDK's own thread: the `on_trust` of a campaign."""
        with suppress(RuntimeError):  # The loop is closed: nobody watches any more.
            self._loop.call_soon_threadsafe(self._move, trust.until)

    def _move(self, until: float) -> None:
        self.until = until
        self._moved.set()

    async def moved(self, within: float | None = None) -> None:
        """Wait until it moves, for so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._moved.wait()
        self._moved.clear()

    async def enough(self, ttl: float) -> None:
        """Wait until there is time to begin something: a win may come late after a heartbeat.

        A store that gives less than the ttl gives no more with the next renewal. A loss cancels
        whoever waits here.
        """
        first = self.until
        while math.isinf(self.until) or (
            self.until == first and first - boottime() < ttl / _ENOUGH
        ):
            await self.moved()
