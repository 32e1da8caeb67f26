"""A made-up run of the comparison, as the harness writes one, for tests of its report."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from incumbent_compare.results import Cost, Goal, Missing, Quantity, Run, Series, Way

REPETITIONS = 5
LEADS, RESIGNED, KILLED = "enter to LEADING", "resign to LEADING", "kill -9 to LEADING"


@dataclass(frozen=True, slots=True)
class Made:
    """What is made up for a store."""

    name: str
    peer: str
    direct: float  # milliseconds until a direct client has led, and has taken over
    over: float
    two: float  # milliseconds between two gateways
    gateway: float  # seconds until the term of a dead gateway is succeeded


STORES = (
    Made("sqlite", "", 0, 0, 8.9, 6.1),
    Made("postgres", "lease row, 6 s, renewed and polled every 2 s", 0.9, 1900, 5.3, 6.4),
    Made("postgres+advisory", "advisory lock, waited for", 0.4, 1.1, 9.2, 0.09),
    Made("etcd", "Election service", 1.0, 1.9, 6.3, 8.2),
    Made("consul", "session lock, lock-delay 15 s", 1.4, 15_008, 7.3, 31.0),
)


class Samples:
    """Samples around a middle, the same ones each time."""

    def __init__(self) -> None:
        self._random = random.Random(7)

    def quantity(
        self, name: str, unit: str, middle: float, count: int = 1, *goals: Goal
    ) -> Quantity:
        repetitions = tuple(self._repetition(middle, count) for _ in range(REPETITIONS))
        goal = goals[0] if goals else None
        return Quantity(name=name, unit=unit, repetitions=repetitions, goal=goal, further=goals[1:])

    def _repetition(self, middle: float, count: int) -> tuple[float, ...]:
        middle *= self._random.uniform(0.9, 1.15)
        return tuple(middle * self._random.lognormvariate(0, 0.18) for _ in range(count))


def cost(operations: int, client: float, gateway: float | None, store: float | None) -> Cost:
    """CPU in microseconds for one operation; two requests each, where the store tells."""
    requests = None if store is None else 2.0 * operations
    parts = [None if each is None else each * operations * 1e-6 for each in (gateway, store)]
    return Cost(
        operations=operations, client=client * operations * 1e-6,
        gateway=parts[0], store=parts[1], requests=requests,
    )  # fmt: skip


def series(
    scenario: str, store: str, way: Way, title: str, *quantities: Quantity,
    cost: Cost | None = None, remarks: Sequence[str] = (),
    parameters: Mapping[str, float | str] = MappingProxyType({}),
) -> Series:  # fmt: skip
    return Series(
        scenario=scenario, store=store, way=way, title=title, quantities=quantities,
        cost=cost, parameters=dict(parameters), remarks=tuple(remarks),
    )  # fmt: skip


def run(*all_series: Series, missing: Sequence[Missing] = (), full: bool = True) -> Run:
    return Run(
        began=datetime(2026, 11, 24, 18, 0, tzinfo=UTC), seconds=1234.5, full=full,
        machine={"processor": "AMD EPYC 9R14", "cores": "2", "memory": "23.5 GiB"},
        versions={"python": "3.11.7", "grpcio": "1.85.1", "etcd": "3.6.16", "postgres": "18.4"},
        load=1.4, series=all_series, missing=tuple(missing),
    )  # fmt: skip


def compared() -> Run:
    """All scenarios on five stores, but one that is missing on one of them."""
    samples = Samples()
    parts = (_campaigns, _hand_overs, _failovers, _heartbeats, _terms, _observers, _others)
    every = [one for part in parts for made in STORES for one in part(samples, made)]
    return run(*every, missing=[Missing(scenario="crowd", store="consul", why="it was stopped")])


def _campaigns(samples: Samples, made: Made) -> Iterator[Series]:
    goal = Goal(statistic="p50", bound=1.5)
    measured = [samples.quantity(LEADS, "ms", 1.6 + made.direct, 30)]
    measured += [samples.quantity("above direct and a bare stream", "ms", 1.35, 1, goal)]
    spent = cost(150, 310, 840, None if made.name == "consul" else 300 * made.direct)
    said = [] if made.name == "sqlite" else ["counted at the store: what it writes"]
    where = ("campaign", made.name)
    yield series(*where, Way.GATEWAY, "gateway", *measured, cost=spent, remarks=said)
    if made.peer:
        direct = samples.quantity(LEADS, "ms", made.direct, 30)
        yield series(*where, Way.DIRECT, made.peer, direct, cost=cost(150, 400, None, 250))
    bare = samples.quantity(LEADS, "ms", 0.8, 30)
    yield series(*where, Way.FLOOR, "floor", bare, cost=cost(150, 290, 240, None))


def _hand_overs(samples: Samples, made: Made) -> Iterator[Series]:
    goals = [Goal(statistic="p50", bound=10 if made.name != "sqlite" else 8)]
    goals += [Goal(statistic="p99", bound=50)]
    if made.name == "etcd":
        goals += [Goal(statistic="p50", bound=2, over=made.peer)]
    where = ("handover", made.name)
    for title, middle, aims in (
        ("one gateway", made.two * 0.6, []),
        ("two gateways", made.two, goals),
    ):
        taken = samples.quantity(RESIGNED, "ms", middle, 24, *aims)
        yield series(*where, Way.GATEWAY, title, taken, cost=cost(120, 250, 900, 400))
    if made.peer:
        taken = samples.quantity(RESIGNED, "ms", made.over, 24 if made.over < 1000 else 4)
        yield series(*where, Way.DIRECT, made.peer, taken)


def _failovers(samples: Samples, made: Made) -> Iterator[Series]:
    where = ("failover", made.name)
    release = samples.quantity(KILLED, "ms", 16, 4, Goal(statistic="p99", bound=150))
    yield series(*where, Way.GATEWAY, "a client killed, RELEASE", release)
    keep = samples.quantity(KILLED, "ms", 960, 3, Goal(statistic="max", bound=1250))
    yield series(
        *where, Way.GATEWAY, "a client killed, KEEP, ttl 1 s", keep, parameters={"ttl_s": 1}
    )
    gone = samples.quantity(KILLED, "ms", made.gateway * 1000)
    yield series(*where, Way.GATEWAY, "a gateway killed, its client with it", gone)
    if made.peer:
        taken = samples.quantity(KILLED, "ms", 4000 + made.over * 0.4, 4)
        yield series(*where, Way.DIRECT, f"direct client killed: {made.peer}", taken)


def _heartbeats(samples: Samples, made: Made) -> Iterator[Series]:
    for streams, gateway, floor in ((50, 4066, 5263), (500, 4888, 7132)):
        for way, middle in ((Way.GATEWAY, gateway), (Way.FLOOR, floor)):
            title = f"{way}, {streams} streams on {streams} connections"
            floors = title.replace("gateway", "floor")
            goal = Goal(statistic="p50", at_least=True, bound=0.7, over=floors)
            goals = [goal] if way is Way.GATEWAY else []
            measured = [samples.quantity("heartbeats", "a second", middle, 1, *goals)]
            measured += [samples.quantity("CPU of the server", "µs each", 7e5 / middle)]
            yield series(
                "heartbeats", made.name, way, title, *measured,
                remarks=["the generator took less than the floor"],
                parameters={"streams": streams, "connections": streams},
            )  # fmt: skip


def _terms(samples: Samples, made: Made) -> Iterator[Series]:
    for kind, numbers in (("heartbeats", (1_000, 5_000)), ("half-closed", (1_000, 5_000, 20_000))):
        for number in numbers:
            slope = (0.0098 if kind == "heartbeats" else 0.001) * (1 + made.direct / 5)
            none = Quantity(name="terms lost", unit="terms", repetitions=((0.0,),) * REPETITIONS)
            measured = [none, samples.quantity("CPU of the gateway", "% of a core", number * slope)]
            measured += [samples.quantity("resident memory of the gateway", "kB a term", 31)]
            measured += [samples.quantity("writes", "a minute", 24 + made.direct)]
            yield series(
                "terms", made.name, Way.GATEWAY, f"gateway, {number:,} terms, {kind}", *measured,
                parameters={"terms": number, "kind": kind},
            )  # fmt: skip


def _observers(samples: Samples, made: Made) -> Iterator[Series]:
    for number in (1, 1_000, 10_000):
        goals = [Goal(statistic="max", bound=500)] if number > 1_000 else []
        last = 3 + number * 0.04 + made.direct
        measured = [samples.quantity("change to the last receiver", "ms", last, 3, *goals)]
        measured += [samples.quantity("change to half of the receivers", "ms", last * 0.6, 3)]
        title = f"gateway, {number:,} observer{'s' if number > 1 else ''}"
        yield series(
            "observers", made.name, Way.GATEWAY, title, *measured, parameters={"observers": number}
        )


def _others(samples: Samples, made: Made) -> Iterator[Series]:
    if made.name != "consul":
        title = "gateway, 200 leaders die and 200 wait"
        taken = samples.quantity(KILLED, "ms", 120 + made.two * 10, 200)
        yield series("crowd", made.name, Way.GATEWAY, title, taken, parameters={"elections": 200})
    measured = [samples.quantity("CPU of the gateway", "% of a core", 2 + made.direct)]
    measured += [samples.quantity("writes at the store in a second", "a second", 0.4)]
    title = "gateway, 200 elections with 3 candidates each"
    yield series("idle", made.name, Way.GATEWAY, title, *measured, parameters={"elections": 200})
