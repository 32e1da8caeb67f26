"""A run of the comparison as it might have been, for tests of its report: every figure is made up."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime

from incumbent_compare.results import Cost, Goal, Missing, Quantity, Run, Series, Way

STORES = ("sqlite", "postgres", "postgres+advisory", "etcd", "consul")
# Milliseconds, in the order of the stores.
HAND_OVER = (8.9, 5.3, 9.2, 6.3, 7.3)
DIRECT = (
    "",
    "SKIP LOCKED row",
    "advisory lock, polled every 5 s",
    "Election service",
    "session lock",
)
DIRECTLY = (0.0, 3.1, 2600.0, 1.9, 15008.0)
GATEWAY = (1.4, 1.5, 0.3, 2.6, 20.4)  # seconds until a killed gateway's election is led again


class Made:
    """Samples around a middle, the same ones each time."""

    def __init__(self) -> None:
        self._random = random.Random(7)

    def repetitions(
        self, middle: float, count: int = 40, times: int = 5
    ) -> list[tuple[float, ...]]:
        return [
            self._samples(middle * self._random.uniform(0.9, 1.15), count) for _ in range(times)
        ]

    def _samples(self, middle: float, count: int) -> tuple[float, ...]:
        return tuple(middle * self._random.lognormvariate(0, 0.18) for _ in range(count))

    def quantity(
        self, name: str, unit: str, middle: float, count: int = 40, goal: Goal | None = None
    ) -> Quantity:
        samples = tuple(self.repetitions(middle, count))
        return Quantity(name=name, unit=unit, repetitions=samples, goal=goal)


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
    cost: Cost | None = None, remarks: Sequence[str] = (), **parameters: float | int | str,
) -> Series:  # fmt: skip
    return Series(
        scenario=scenario, store=store, way=way, title=title, quantities=quantities,
        cost=cost, parameters=parameters, remarks=tuple(remarks),
    )  # fmt: skip


def run(*all_series: Series, missing: Sequence[Missing] = (), full: bool = True) -> Run:
    return Run(
        began=datetime(2026, 11, 24, 18, 0, tzinfo=UTC), seconds=1234.5, full=full,
        machine={"processor": "AMD EPYC 9R14", "cores": "2", "memory": "23.5 GiB"},
        versions={"python": "3.11.7", "grpcio": "1.85.1", "etcd": "3.6.16", "postgres": "18.4"},
        load=1.4, series=all_series, missing=tuple(missing),
    )  # fmt: skip


def compared() -> Run:
    """All scenarios on all stores but one, of which one scenario is missing."""
    made = Made()
    every: list[Series] = []
    for place, store in enumerate(STORES):
        every += _campaigns(made, store, place)
        every += _hand_overs(made, store, place)
        every += _failovers(made, store, place)
        every += _grown(made, store, place)
    every += _heartbeats(made)
    return run(*every, missing=[Missing(scenario="mass-death", store="consul", why="not built")])


def _campaigns(made: Made, store: str, place: int) -> list[Series]:
    goal = Goal(statistic="p50", bound=4.0, over="direct transaction")
    found = [
        series(
            "campaign", store, Way.GATEWAY, "gateway",
            made.quantity("request to LEADING", "ms", 2.4 + 0.5 * place, goal=goal),
            cost=cost(200, 310, 840, 200 + 90 * place), ttl=10,
        ),
        series(
            "campaign", store, Way.DIRECT, "direct transaction",
            made.quantity("request to LEADING", "ms", 0.7 + 0.2 * place),
            cost=cost(200, 400, None, 200 + 80 * place), ttl=10,
        ),
    ]  # fmt: skip
    return found[:1] if store == "consul" else found


def _hand_overs(made: Made, store: str, place: int) -> list[Series]:
    goal = Goal(statistic="p50", bound=10 if store != "sqlite" else 8)
    middle = HAND_OVER[place]
    gateway = made.quantity("resign to LEADING", "ms", middle, goal=goal)
    found = [series("hand-over", store, Way.GATEWAY, "two gateways", gateway)]
    if DIRECT[place]:
        count = 40 if DIRECTLY[place] < 100 else 2
        direct = made.quantity("resign to LEADING", "ms", DIRECTLY[place], count)
        found.append(series("hand-over", store, Way.DIRECT, DIRECT[place], direct))
    return found


def _failovers(made: Made, store: str, place: int) -> list[Series]:
    kinds = {"client, KEEP": 10.3, "client, RELEASE": 0.018, "gateway": GATEWAY[place]}
    found = [made.quantity(name, "s", middle, 3) for name, middle in kinds.items()]
    every = [series("failover", store, Way.GATEWAY, "gateway", *found, ttl=10)]
    if DIRECT[place]:
        direct = made.quantity("client, KEEP", "s", 5.0 + 4 * place, 3)
        every.append(series("failover", store, Way.DIRECT, DIRECT[place], direct, ttl=10))
    return every


def _grown(made: Made, store: str, place: int) -> list[Series]:
    found = []
    for terms in (1_000, 5_000, 20_000):
        memory = made.quantity("memory of a term", "kB", 30 + place, 1)
        spent = cost(20, 0, 900 + terms * 0.3, 100 + place * 40 + terms * 0.02 * place)
        terms_held = series(
            "terms", store, Way.GATEWAY, "gateway, half-closed", memory, cost=spent, terms=terms
        )
        found.append(terms_held)
    for observers in (1, 1_000, 10_000):
        told = made.quantity("change to the last observer", "ms", 3 + observers * 0.04 + place)
        found.append(series("observers", store, Way.GATEWAY, "gateway", told, observers=observers))
    return found


def _heartbeats(made: Made) -> list[Series]:
    goal = Goal(statistic="p50", at_least=True, bound=0.7, over="floor")
    found = []
    for streams, connections, gateway, floor in (
        (50, 50, 4066, 5263), (500, 500, 4888, 7132), (500, 10, 6431, 11236),
    ):  # fmt: skip
        for way, middle in ((Way.GATEWAY, gateway), (Way.FLOOR, floor)):
            rate = made.quantity(
                "heartbeats", "/s", middle, 1, goal if way is way.GATEWAY else None
            )
            found.append(
                series(
                    "heartbeats", "sqlite" if way is Way.GATEWAY else "", way, way.value, rate,
                    cost=cost(4000, 60, 1e6 / middle * 0.7, None),
                    remarks=["the generator took less than the floor"],
                    streams=streams, connections=connections,
                )
            )  # fmt: skip
    return found
