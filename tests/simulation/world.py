"""One process's view of the world: its own clock, within 1 % of true, and its own dice."""

import asyncio
import random
from datetime import UTC, datetime

from tests.simulation.loop import SimLoop

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)  # virtual time 0 by the store's clock on the wall
DRIFT = 0.01  # the contract's bound on clock rates
GRAIN = 1e-6  # no sleep is shorter, as on a real machine: time always moves
EARLY = 1e-5  # seconds by which a timer may fire early, as on a real machine


def dice(seed: int, name: str) -> random.Random:
    """Make a source of chance of its own for `name`, so that one's draws never shift another's."""
    return random.Random(f"{seed}/{name}")


def _wake(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)


class SimWorld:
    """What `incumbent_server.clock.World` and the drivers' Clock ask for."""

    def __init__(self, loop: SimLoop, rng: random.Random, rate: float | None = None) -> None:
        self._loop = loop
        self.rng = rng
        drawn = 1 + rng.choice((-DRIFT, 0.0, DRIFT, rng.uniform(-DRIFT, DRIFT)))
        self._rate = drawn if rate is None else rate
        self._origin = rng.uniform(0, 10_000)

    def now(self) -> float:
        return self._origin + self._rate * self._loop.time()

    async def sleep(self, seconds: float) -> None:
        done = self._loop.create_future()
        seconds = seconds / self._rate - EARLY * self.rng.random()
        timer = self._loop.call_later(max(GRAIN, seconds), _wake, done)
        try:
            await done
        finally:
            timer.cancel()

    def true(self, instant: float) -> float:
        """Tell at which virtual time this clock shows `instant`."""
        return (instant - self._origin) / self._rate

    def uniform(self, low: float, high: float) -> float:
        return self.rng.uniform(low, high)

    def credential(self) -> str:
        return f"{self.rng.getrandbits(128):032x}"

    def label(self) -> str:
        return f"candidate-{self.rng.getrandbits(32):08x}"
