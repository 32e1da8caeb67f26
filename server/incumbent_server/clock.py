"""Time, chance and names as the gateway uses them; tests and the simulation inject their own."""

import asyncio
import random
import secrets
import time
from collections.abc import Coroutine
from typing import Any, Protocol

# Systems without CLOCK_BOOTTIME (macOS, BSD) have a CLOCK_MONOTONIC that goes on while they sleep.
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class World(Protocol):
    """Everything that is not decided by events: instants, sleep, jitter, secrets."""

    def now(self) -> float:
        """Tell the instant in seconds of CLOCK_BOOTTIME: it runs on while the machine sleeps."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""

    def uniform(self, low: float, high: float) -> float:
        """Draw a number, for jitter."""

    def credential(self) -> str:
        """Make a credential: 32 base64url characters, 192 random bits."""

    def label(self) -> str:
        """Make up a name for a candidate that brought none."""


class System:
    """The real world."""

    def now(self) -> float:
        return time.clock_gettime(_BOOTTIME)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def uniform(self, low: float, high: float) -> float:
        return random.uniform(low, high)  # noqa: S311 - jitter, no secret

    def credential(self) -> str:
        return secrets.token_urlsafe(24)

    def label(self) -> str:
        return f"candidate-{secrets.token_hex(4)}"


async def first_of(*waits: Coroutine[Any, Any, object]) -> None:
    """Return when the first is over; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
