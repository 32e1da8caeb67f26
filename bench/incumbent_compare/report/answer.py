"""The answer that the page begins with: which store for whom, with the figures of this run."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from incumbent_compare.report.figures import middle, named, verdicts
from incumbent_compare.report.labels import labels
from incumbent_compare.report.numbers import NONE, amount, is_time, seconds, spread
from incumbent_compare.report.scenarios import spent
from incumbent_compare.report.stores import Store, order, store
from incumbent_compare.report.words import title
from incumbent_compare.results import Quantity, Run, Series, Way

HAND_OVER, FAILOVER = "handover", "failover"
_COSTS = ("campaign", HAND_OVER)
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
    cost: tuple[Figure, ...]
    direct: tuple[tuple[str, tuple[Figure, ...]], ...]
    """The same without a gateway, by scenario."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal and what became of it."""

    what: str
    store: str
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
            cost=tuple(_cost(run, name)),
            direct=tuple(_direct(run, name)),
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
            if series.store not in _ASIDE:
                kinds.setdefault(label, {}).setdefault(series.store, quantity)
        compared = {label: found for label, found in kinds.items() if len(found) > 1}
        for label, by_store in compared.items():
            what = f"{title(name)}, {label}" if label else title(name)
            yield f"{what}: {_compared(by_store)}"


def goals(run: Run) -> list[Goal]:
    """All goals of the run."""
    found = []
    settings = {
        name: labels([one for one in run.series if one.scenario == name])
        for name in {one.scenario for one in run.series}
    }
    for series in run.series:
        label = settings[series.scenario].of(series)
        for quantity in series.quantities:
            where = store(series.store).title if series.store else ""
            what = f"{title(series.scenario)}, {label}, {named(quantity)}"
            found += [
                Goal(what, where, one.goal, one.found, one.met)
                for one in verdicts(quantity, series, run)
            ]
    return found


def missed(all_goals: Iterable[Goal]) -> Iterator[tuple[str, str, list[Goal]]]:
    """The goals that were not met, each with those that did not meet it."""
    by_goal: dict[tuple[str, str], list[Goal]] = {}
    for goal in all_goals:
        if not goal.met:
            by_goal.setdefault((goal.what, goal.goal), []).append(goal)
    for (what, goal_text), whose in by_goal.items():
        yield what, goal_text, whose


def _compared(by_store: dict[str, Quantity]) -> str:
    ordered = sorted(by_store, key=lambda name: _seconds(by_store[name]))
    best = ordered[0]
    close = [name for name in ordered[1:] if _overlap(by_store[best], by_store[name])]
    slowest = ordered[-1]
    if len(close) == len(ordered) - 1:
        between = f"{_median(by_store[best])} to {_median(by_store[slowest])}"
        return f"the stores cannot be told apart, as their repetitions overlap: {between}."
    text = f"quickest on {store(best).title}, {_median(by_store[best])}"
    if close:
        others = ", ".join(f"{store(name).title} ({_median(by_store[name])})" for name in close)
        text += f"; not to be told from it, as the repetitions overlap: {others}"
    if slowest not in close:
        text += f"; slowest on {store(slowest).title}, {_median(by_store[slowest])}"
    return f"{text}."


def _seconds(quantity: Quantity) -> float:
    return middle(quantity) * seconds(quantity.unit)


def _overlap(one: Quantity, other: Quantity) -> bool:
    if one.unit != other.unit:
        return False
    return max(one.medians()) >= min(other.medians())


def _median(quantity: Quantity) -> str:
    return amount(middle(quantity), quantity.unit)


def _labelled(run: Run, scenario: str, way: Way) -> Iterator[tuple[Series, str, Quantity]]:
    """The durations of a scenario's ways, with what tells those of one store apart."""
    all_series = [one for one in run.series if (one.scenario, one.way) == (scenario, way)]
    found = labels(all_series)
    titles = len({found.of(one) for one in all_series}) > 1 or way is not Way.GATEWAY
    for one in all_series:
        durations = [quantity for quantity in one.quantities if is_time(quantity.unit)]
        for quantity in durations:
            label = [found.of(one)] if titles else []
            yield one, ", ".join(label + [quantity.name] * (len(durations) > 1)), quantity


def _direct(run: Run, name: str) -> Iterator[tuple[str, tuple[Figure, ...]]]:
    for scenario in (HAND_OVER, FAILOVER):
        figures = tuple(_figures(run, scenario, name, Way.DIRECT))
        if figures:
            yield title(scenario), figures


def _figures(run: Run, scenario: str, name: str, way: Way) -> Iterator[Figure]:
    for series, label, quantity in _labelled(run, scenario, way):
        if series.store == name:
            medians, several = quantity.medians(), len(quantity.repetitions) > 1
            between = spread(min(medians), max(medians), quantity.unit)
            yield Figure(label, _median(quantity), f"({between})" if several else "")


def _cost(run: Run, name: str) -> Iterator[Figure]:
    of = cost_of(run)
    for one in run.series:
        if (one.store, one.scenario, one.way) == (name, of, Way.GATEWAY) and one.cost:
            cost = spent(one.cost)
            parts = {"gateway": cost.gateway, "store": cost.store, "requests": cost.requests}
            yield from (Figure(part, text, "") for part, text in parts.items() if text != NONE)
            return
