"""A scenario of the report: its table, its plots, and what is to be said beside them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from incumbent_compare.report.figures import Stats, Verdict, middle, named, stats, verdicts
from incumbent_compare.report.labels import Labels, in_words, labels
from incumbent_compare.report.numbers import NONE, amount, digits
from incumbent_compare.report.plots import Plot
from incumbent_compare.report.plotted import plots
from incumbent_compare.report.stores import order, store
from incumbent_compare.report.words import about, place, title
from incumbent_compare.results import Cost, Missing, Quantity, Run, Series


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU of each process, and what the store was asked for, of one operation."""

    client: str
    gateway: str
    store: str
    requests: str
    writes: str = NONE


@dataclass(frozen=True, slots=True)
class Line:
    """One quantity of a series in a table."""

    name: str
    stats: Stats
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One series in a table."""

    label: str
    way: str
    lines: tuple[Line | None, ...]
    """One at least: None where the series measured nothing but its cost."""
    cost: Spent | None

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of its cost, also where that is not known."""
        cost = self.cost or Spent(NONE, NONE, NONE, NONE)
        return cost.client, cost.gateway, cost.store, cost.requests, cost.writes


@dataclass(frozen=True, slots=True)
class Group:
    """The series of one store."""

    title: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario, ready to be written."""

    anchor: str
    title: str
    about: str
    settings: str
    quantity: str
    """The one that all of its series measured, or nothing where they differ."""
    groups: tuple[Group, ...]
    plots: tuple[Plot, ...]
    remarks: tuple[str, ...]
    missing: tuple[str, ...]
    has_goals: bool
    has_costs: bool


def scenarios(run: Run) -> Iterator[Scenario]:
    """All scenarios of a run, those that were only asked for included; the known ones first."""
    names = dict.fromkeys(
        [one.scenario for one in run.series] + [one.scenario for one in run.missing]
    )
    ordered = sorted(names, key=place)
    for number, name in enumerate(ordered, start=1):
        series = [series for series in run.series if series.scenario == name]
        series.sort(key=lambda one: order(one.store))  # and within a store as they were run
        missing = [missing for missing in run.missing if missing.scenario == name]
        yield _scenario(f"scenario-{number}", name, series, missing, run)


def _scenario(
    anchor: str, name: str, series: Sequence[Series], missing: Sequence[Missing], run: Run
) -> Scenario:
    found = labels(series)
    groups = tuple(_groups(series, found, run))
    entries = [entry for group in groups for entry in group.entries]
    names = {line.name if line else "" for entry in entries for line in entry.lines}
    return Scenario(
        anchor=anchor,
        title=title(name),
        about=about(name),
        settings=in_words(found.shared.items()),
        quantity=names.pop() if len(names) == 1 else "",
        groups=groups,
        plots=tuple(plots(name, anchor, series, found)),
        remarks=tuple(_remarks(series)),
        missing=tuple(f"{store(one.store).title}: {one.why}" for one in missing),
        has_goals=any(line and line.verdicts for entry in entries for line in entry.lines),
        has_costs=any(entry.cost for entry in entries),
    )


def _groups(all_series: Sequence[Series], found: Labels, run: Run) -> Iterator[Group]:
    for name in dict.fromkeys(series.store for series in all_series):
        here = [series for series in all_series if series.store == name]
        yield Group(store(name).title, tuple(_entry(series, found, run) for series in here))


def _entry(series: Series, found: Labels, run: Run) -> Entry:
    lines = tuple(
        Line(named(quantity), stats(quantity), verdicts(quantity, series, run))
        for quantity in series.quantities
        if not (_is_writes(quantity) and series.cost)
    )
    cost = None if series.cost is None else spent(series.cost)
    for quantity in filter(_is_writes, series.quantities):
        cost = cost and replace(cost, writes=digits(middle(quantity)))
    return Entry(found.of(series), series.way.value, lines or (None,), cost)


def _is_writes(quantity: Quantity) -> bool:
    """Whether it stands beside the cost: nearly every series has it."""
    return (quantity.name, quantity.unit) == ("writes at the store", "an operation")


def spent(cost: Cost) -> Spent:
    """What one operation cost."""

    def each(total: float | None) -> str:
        if total is None or not cost.operations:
            return NONE
        return amount(total / cost.operations, "s")

    known = cost.requests is not None and cost.operations
    requests = digits((cost.requests or 0) / cost.operations) if known else NONE
    return Spent(each(cost.client), each(cost.gateway), each(cost.store), requests)


def _remarks(all_series: Sequence[Series]) -> Iterator[str]:
    """Each remark once, with those that it was made of; what is said of all need not name them."""
    whom: dict[str, dict[str, list[str]]] = {}
    for one in all_series:
        for remark in one.remarks:
            whom.setdefault(remark, {}).setdefault(one.store, []).append(one.title)
    for remark, stores in whom.items():
        if sum(map(len, stores.values())) == len(all_series) > 1:
            yield remark
        else:
            yield f"{'; '.join(_named(name, titles) for name, titles in stores.items())}: {remark}"


def _named(name: str, titles: Sequence[str]) -> str:
    """The store, and who there where that is one."""
    return ", ".join(filter(None, [name and store(name).title, *titles[: len(titles) == 1]]))
