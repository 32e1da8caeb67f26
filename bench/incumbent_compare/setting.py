"""What a scenario is given, and how it measures what it does."""

import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
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
    async def apart(self, name: str) -> AsyncIterator["Setting"]:
        """Go on in a namespace of its own, where nothing is left of what was before."""
        setting = replace(self, namespace=f"{self.namespace}-{name}")
        try:
            yield setting
        finally:
            await self.target.forget(setting.namespace)

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

    def floor(self) -> AbstractAsyncContextManager[Server]:
        """Run the floor."""
        return floor(self.folder)

    def series(
        self,
        scenario: str,
        way: Way,
        title: str,
        quantities: Iterable[Quantity],
        meter: "Meter | None" = None,
        **parameters: float | str,
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
class Repetition:
    """One that is measured; what was done in it may become known in its course."""

    operations: int
    count: Count = field(default_factory=lambda: Count(0.0))
    """What the store did meanwhile, once it is over."""


@dataclass(slots=True)
class Meter:
    """CPU of client, gateways and store, and the store's own count, over the repetitions."""

    target: Target
    servers: Sequence[Server] = ()
    shares: int = 1
    """How many such meters share this process's CPU, side by side."""
    each: bool = True
    """Whether what the store writes is worth telling for each operation."""
    operations: int = 0
    client: float = 0.0
    gateway: float = 0.0
    store: float | None = 0.0
    done: Count = field(default_factory=lambda: Count(0.0, 0.0, 0.0))
    writes: list[float] = field(default_factory=list)
    """An operation, in each repetition."""

    @asynccontextmanager
    async def repetition(self, operations: int = 0) -> AsyncIterator[Repetition]:
        """Measure one of so many operations, or of as many as it says at its end."""
        this = Repetition(operations)
        before = await self.target.count()
        store, gateways, client = self.target.cpu(), self._cpu(), time.process_time()
        yield this
        self.client += (time.process_time() - client) / self.shares
        self.gateway += self._cpu() - gateways
        self.store = _add(self.store, self.target.cpu(), store)
        this.count = await self.target.count() - before
        self.operations += this.operations
        self.done = self.done + this.count
        self.writes.append(this.count.writes / max(1, this.operations))

    def _cpu(self) -> float:
        return sum(server.cpu() for server in self.servers)

    def quantities(self) -> list[Quantity]:
        """What the store wrote for each operation."""
        if not (self.each and self.writes):
            return []
        return [singles("writes at the store", "an operation", self.writes)]

    def cost(self) -> Cost:
        """All repetitions together; where the store does not tell its requests, its writes."""
        asked = self.done.requests
        return Cost(
            operations=self.operations,
            client=self.client,
            gateway=self.gateway if self.servers else None,
            store=self.store,
            requests=self.done.writes if asked is None else asked,
        )


def _add(total: float | None, after: float | None, before: float | None) -> float | None:
    if total is None or after is None or before is None:
        return None
    return total + after - before


def quantity(name: str, unit: str, repetitions: Sequence[Sequence[float]]) -> Quantity:
    """Make one without a goal; repetitions without a sample are left out."""
    kept = tuple(tuple(samples) for samples in repetitions if samples)
    return Quantity(name=name, unit=unit, repetitions=kept)


def singles(name: str, unit: str, values: Iterable[float]) -> Quantity:
    """Make one of a single sample a repetition."""
    return quantity(name, unit, [[value] for value in values])
