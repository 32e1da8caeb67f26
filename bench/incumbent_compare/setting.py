"""What a scenario is given, and how it measures what it does."""

import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from incumbent_compare.contender import Contender, Opener
from incumbent_compare.processes import Server, floor, gateway
from incumbent_compare.results import Cost, Quantity, Series, Way
from incumbent_compare.sizes import Sizes
from incumbent_compare.targets import Count, Target

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Setting:
    """One store, how much is to be done on it, and where a scenario's files go."""

    target: Target
    sizes: Sizes
    folder: Path
    namespace: str
    shares: int = 1
    """How many stores are measured side by side in this process."""
    step: Callable[[], None] = lambda: None
    """Tell that one repetition of one way is done."""

    @asynccontextmanager
    async def gateways(self, number: int = 1) -> AsyncIterator[Sequence[Server]]:
        """Run so many gateways on the store, all of one namespace."""
        async with AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(
                    gateway(
                        self.folder,
                        f"gateway-{next(_numbers)}",
                        self.target.url,
                        self.namespace,
                    )
                )
                for _ in range(number)
            ]

    @asynccontextmanager
    async def floor(self) -> AsyncIterator[Server]:
        """Run the floor."""
        async with floor(self.folder) as server:
            yield server

    def series(
        self,
        scenario: str,
        way: Way,
        title: str,
        quantities: Iterable[Quantity],
        meter: "Meter | None" = None,
        **parameters: float | int | str,
    ) -> Series:
        """Make a series of this store; with a meter also what it cost."""
        found, remarks = list(quantities), []
        if meter is not None:
            found += meter.quantities()
            if self.target.counts:
                remarks.append(f"counted at the store: {self.target.counts}")
        return Series(
            scenario=scenario,
            store=self.target.name,
            way=way,
            title=title,
            quantities=tuple(found),
            cost=None if meter is None else meter.cost(),
            parameters=parameters,
            remarks=tuple(remarks),
        )


@asynccontextmanager
async def opened(*openers: Opener) -> AsyncIterator[list[Contender]]:
    """Open contenders, each with connections of its own."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(opener()) for opener in openers]


@dataclass(slots=True)
class Meter:
    """CPU of client, gateways and store, and the store's own count, over the repetitions."""

    target: Target
    servers: Sequence[Server] = ()
    shares: int = 1
    """How many such meters share this process's CPU, side by side."""
    operations: int = 0
    client: float = 0.0
    gateway: float = 0.0
    store: float | None = 0.0
    requests: float | None = 0.0
    writes: list[float] = field(default_factory=list)
    """An operation, in each repetition."""

    @asynccontextmanager
    async def repetition(self, operations: int) -> AsyncIterator[list[Count]]:
        """Measure one; the store's count of it is in the list afterwards."""
        counted: list[Count] = []
        before = await self.target.count()
        store, gateways, client = self.target.cpu(), self._cpu(), time.process_time()
        yield counted
        self.client += (time.process_time() - client) / self.shares
        self.gateway += self._cpu() - gateways
        self.store = _add(self.store, self.target.cpu(), store)
        counted.append(await self.target.count() - before)
        self.operations += operations
        self.requests = _add(self.requests, counted[0].requests, 0.0)
        self.writes.append(counted[0].writes / max(1, operations))

    def _cpu(self) -> float:
        return sum(server.cpu() for server in self.servers)

    def quantities(self) -> list[Quantity]:
        """What the store wrote for each operation."""
        return [quantity("writes at the store", "an operation", [[each] for each in self.writes])]

    def cost(self) -> Cost:
        """All repetitions together."""
        asked = self.requests
        if asked is None:  # the store tells writes alone
            asked = sum(self.writes) * self.operations / max(1, len(self.writes))
        return Cost(
            operations=self.operations,
            client=self.client,
            gateway=self.gateway if self.servers else None,
            store=self.store,
            requests=asked,
        )


def _add(total: float | None, after: float | None, before: float | None) -> float | None:
    if total is None or after is None or before is None:
        return None
    return total + after - before


def quantity(name: str, unit: str, repetitions: Sequence[Sequence[float]]) -> Quantity:
    """Make one without a goal; repetitions without a sample are left out."""
    kept = tuple(tuple(samples) for samples in repetitions if samples)
    return Quantity(name=name, unit=unit, repetitions=kept)
