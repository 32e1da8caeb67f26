"""What a run found: the raw JSON that is kept, and that the report is made of.

A run is a list of series. A series is one way (the gateway, or one direct peer) of one scenario on
one store; its quantities hold all samples, repetition by repetition, so that every number of the
report can be made again from the file.
"""

from datetime import datetime
from enum import StrEnum
from statistics import median
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Samples = tuple[float, ...]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Way(StrEnum):
    """Who elects in a series."""

    GATEWAY = "gateway"
    DIRECT = "direct"  # a client that talks to the same server without a gateway
    FLOOR = "floor"  # an empty gRPC handler that echoes our messages


class Goal(_Part):
    """What the figure should reach: of `statistic` of the quantity, or of its ratio to a peer."""

    statistic: Literal["p50", "p99", "max"]
    at_least: bool = False
    bound: float
    over: str | None = None
    """The `title` of the series that this one is divided by; None: the quantity itself."""


class Quantity(_Part):
    """One thing that was measured, in every repetition."""

    name: str
    unit: str
    repetitions: tuple[Samples, ...] = Field(min_length=1)
    goal: Goal | None = None
    further: tuple[Goal, ...] = ()
    """More goals of the same samples, as of another percentile."""

    @property
    def goals(self) -> tuple[Goal, ...]:
        """All of them."""
        return self.further if self.goal is None else (self.goal, *self.further)

    @property
    def samples(self) -> Samples:
        """All of them."""
        return tuple(sample for repetition in self.repetitions for sample in repetition)

    def p(self, percent: float) -> float:
        """The smallest sample that is not below `percent` of all."""
        ordered = sorted(self.samples)
        return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)]

    def medians(self) -> Samples:
        """The median of each repetition: their own range says how far the runs differ."""
        return tuple(median(repetition) for repetition in self.repetitions)


class Cost(_Part):
    """CPU seconds of all threads, of each process apart, and what the store was asked to do."""

    operations: int
    client: float
    gateway: float | None = None
    store: float | None = None
    """None: not to be had, as where the store is on another machine."""
    requests: float | None = None
    """Statements, transactions or requests that the store counted."""


class Series(_Part):
    """One way of one scenario on one store."""

    scenario: str
    store: str
    way: Way
    title: str
    """For people: "gateway", "advisory lock, polled every 5 s"."""
    quantities: tuple[Quantity, ...]
    cost: Cost | None = None
    parameters: dict[str, float | int | str] = {}
    remarks: tuple[str, ...] = ()


class Missing(_Part):
    """What was asked for and could not be measured."""

    scenario: str
    store: str
    why: str


class Run(_Part):
    """A whole run of the comparison."""

    format: Literal[1] = 1
    began: datetime
    seconds: float
    full: bool
    machine: dict[str, str]
    """Processor, cores, memory, system; no name of a host, no path."""
    versions: dict[str, str]
    """Of Python, grpcio, Incumbent, and of each store as its server says."""
    load: float
    """The machine's load of one minute before the run."""
    series: tuple[Series, ...]
    missing: tuple[Missing, ...] = ()
