"""The answer that the page begins with: which store for whom, with the figures of this run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from incumbent_compare.report.figures import verdict
from incumbent_compare.report.labels import labels
from incumbent_compare.report.numbers import NONE, amount, is_time, spread
from incumbent_compare.report.scenarios import spent, title
from incumbent_compare.report.stores import Store, order, store
from incumbent_compare.results import Quantity, Run, Series, Way

HAND_OVER, FAILOVER = "hand-over", "failover"
_COSTS = ("campaign", "hand-over")
"""The scenarios whose cost stands for a store's, the first one that was measured."""
_ASIDE = frozenset({"memory"})
"""No choice where anything is to last: never called the quickest."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with the words that tell it from its neighbours, which may be none."""

    label: str
    median: str
    range: str
    """In brackets, as it stands behind the median; empty where there was one repetition."""

    @property
    def text(self) -> str:
        """Both."""
        return f"{self.median} {self.range}".rstrip()


@dataclass(frozen=True, slots=True)
class Answer:
    """A store of the run."""

    store: Store
    hand_over: tuple[Figure, ...]
    failover: tuple[Figure, ...]
    cost: str
    direct: tuple[Figure, ...]
    """The same hand-over without a gateway."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal and what became of it."""

    who: str
    scenario: str
    goal: str
    found: str
    met: bool | None


def answers(run: Run) -> list[Answer]:
    """One for each store that was asked for, also where nothing was measured on it."""
    names = {one.store for one in run.series} | {one.store for one in run.missing}
    return [
        Answer(
            store=store(name),
            hand_over=tuple(_figures(run, HAND_OVER, name, Way.GATEWAY)),
            failover=tuple(_figures(run, FAILOVER, name, Way.GATEWAY)),
            cost=_cost(run, name),
            direct=tuple(_figures(run, HAND_OVER, name, Way.DIRECT)),
        )
        for name in sorted(filter(None, names), key=order)
    ]


def cost_of(run: Run) -> str:
    """What the operation is whose cost stands for a store's, or nothing."""
    costs = {one.scenario for one in run.series if one.cost and one.cost.operations}
    return next((name for name in _COSTS if name in costs), "")


def findings(run: Run) -> Iterator[str]:
    """Who was quickest at what, and who cannot be told from it."""
    for name in (HAND_OVER, FAILOVER):
        kinds: dict[str, dict[str, Quantity]] = {}
        for series, label, quantity in _labelled(run, name, Way.GATEWAY):
            if is_time(quantity.unit) and series.store not in _ASIDE:
                kinds.setdefault(label, {}).setdefault(series.store, quantity)
        for label, by_store in kinds.items():
            what = f"{title(name)}, {label}" if label else title(name)
            yield f"{what}: {_compared(by_store)}"


def goals(run: Run) -> list[Goal]:
    """All goals of the run."""
    found = []
    for series in run.series:
        for quantity in series.quantities:
            judged = verdict(quantity, series, run)
            if judged is not None:
                where = store(series.store).title if series.store else ""
                who = ", ".join(filter(None, [where, series.title, quantity.name]))
                scenario = title(series.scenario)
                found.append(Goal(who, scenario, judged.goal, judged.found, judged.met))
    return found


def _compared(by_store: dict[str, Quantity]) -> str:
    ordered = sorted(by_store, key=lambda name: _seconds(by_store[name], 50))
    best = ordered[0]
    if len(ordered) == 1:
        return f"{_median(by_store[best])} on {store(best).title}."
    close = [name for name in ordered[1:] if _overlap(by_store[best], by_store[name])]
    text = f"quickest on {store(best).title}, {_median(by_store[best])}"
    if close:
        others = ", ".join(f"{store(name).title} ({_median(by_store[name])})" for name in close)
        text += f"; not to be told from it, as the repetitions overlap: {others}"
    slowest = ordered[-1]
    if slowest not in close:
        text += f"; slowest on {store(slowest).title}, {_median(by_store[slowest])}"
    return f"{text}."


def _seconds(quantity: Quantity, percent: float) -> float:
    return quantity.p(percent) * {"s": 1, "ms": 1e-3, "ns": 1e-9}.get(quantity.unit, 1e-6)


def _overlap(one: Quantity, other: Quantity) -> bool:
    if one.unit != other.unit:
        return False
    return max(one.medians()) >= min(other.medians())


def _median(quantity: Quantity) -> str:
    return amount(quantity.p(50), quantity.unit)


def _labelled(run: Run, scenario: str, way: Way) -> list[tuple[Series, str, Quantity]]:
    """The quantities of a scenario's ways, with what tells those of one store apart."""
    all_series = [one for one in run.series if (one.scenario, one.way) == (scenario, way)]
    found = labels(all_series)
    many = len({quantity.name for one in all_series for quantity in one.quantities}) > 1
    titles = len({one.title for one in all_series}) > 1 or way is not Way.GATEWAY
    return [
        (one, ", ".join(filter(None, parts)), quantity)
        for one in all_series
        for quantity in one.quantities
        for parts in [
            [one.title if titles else "", quantity.name if many else "", *found.settings(one)]
        ]
    ]


def _figures(run: Run, scenario: str, name: str, way: Way) -> Iterator[Figure]:
    for series, label, quantity in _labelled(run, scenario, way):
        if series.store == name:
            medians, several = quantity.medians(), len(quantity.repetitions) > 1
            between = spread(min(medians), max(medians), quantity.unit)
            yield Figure(label, _median(quantity), f"({between})" if several else "")


def _cost(run: Run, name: str) -> str:
    of = cost_of(run)
    for one in run.series:
        if (one.store, one.scenario, one.way) == (name, of, Way.GATEWAY) and one.cost:
            cost = spent(one.cost)
            parts: Sequence[tuple[str, str]] = (
                (f"{cost.gateway} gateway", cost.gateway),
                (f"{cost.store} store", cost.store),
                (f"{cost.requests} requests", cost.requests),
            )
            return ", ".join(text for text, known in parts if known != NONE) or NONE
    return NONE
