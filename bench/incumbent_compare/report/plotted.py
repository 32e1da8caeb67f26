"""Which plots a scenario has: lines where one number grows, else the samples in rows."""

from collections.abc import Callable, Iterator, Sequence

from incumbent_compare.report.labels import Labels
from incumbent_compare.report.numbers import amount, is_time, spread
from incumbent_compare.report.plots import Block, Curve, Plot, Row, Scale, curves, strips
from incumbent_compare.report.stores import order, store
from incumbent_compare.results import Cost, Quantity, Series

ROWS = 48
"""So many rows one plot has room for."""
WIDE = 20.0
"""From this ratio of the largest to the smallest on, durations are drawn on a log scale."""
_USUAL = {"failover": (0.01, 30.0)}  # seconds: what the axis of a scenario always spans
_COSTS: dict[str, tuple[str, Callable[[Cost], float | None]]] = {
    "CPU of the gateway for one operation": ("s", lambda cost: cost.gateway),
    "CPU of the store for one operation": ("s", lambda cost: cost.store),
    "Requests at the store for one operation": ("", lambda cost: cost.requests),
}
_Point = tuple[Series, float]


def plots(name: str, anchor: str, series: Sequence[Series], found: Labels) -> Iterator[Plot]:
    """The plots of a scenario; none where there is too little to see."""
    swept = found.swept(series)
    if swept is not None:
        yield from _over(swept, anchor, series, found)
    else:
        yield from _rows(name, anchor, series, found)


def _rows(name: str, anchor: str, series: Sequence[Series], found: Labels) -> Iterator[Plot]:
    units: dict[str, list[tuple[Series, Quantity]]] = {}
    for one in series:
        for quantity in one.quantities:
            units.setdefault(quantity.unit, []).append((one, quantity))
    for number, (unit, pairs) in enumerate(units.items(), start=1):
        counted = sum(len(samples) for _, quantity in pairs for samples in quantity.repetitions)
        if counted < 2:
            continue
        blocks = _blocks(pairs[:ROWS], found)
        title = ", ".join(dict.fromkeys(quantity.name for _, quantity in pairs))
        if len(pairs) > ROWS:
            title += f" (the first {ROWS} of {len(pairs)})"
        scale = _scale([row for block in blocks for row in block.rows], unit, name)
        yield strips(f"{anchor}-rows-{number}", title, _in_words(blocks), blocks, scale)


def _blocks(pairs: Sequence[tuple[Series, Quantity]], found: Labels) -> list[Block]:
    names = dict.fromkeys(quantity.name for _, quantity in pairs)
    return [
        Block(
            name,
            tuple(_row(one, quantity, found) for one, quantity in pairs if quantity.name == name),
        )
        for name in names
    ]


def _row(series: Series, quantity: Quantity, found: Labels) -> Row:
    samples = sorted(sample for repetition in quantity.repetitions for sample in repetition)
    medians = quantity.medians()
    return Row(
        label=_label(series, found.of(series)),
        way=series.way,
        samples=tuple(samples),
        median=quantity.p(50),
        medians=(min(medians), max(medians)),
        text=amount(quantity.p(50), quantity.unit),
    )


def _label(series: Series, label: str) -> str:
    return f"{store(series.store).title} · {label}" if series.store else label


def _scale(rows: Sequence[Row], unit: str, name: str) -> Scale:
    low, high = min(row.samples[0] for row in rows), max(row.samples[-1] for row in rows)
    if is_time(unit) and low > 0 and (high / low >= WIDE or name in _USUAL):
        second = 1 / {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}[unit]
        usual = _USUAL.get(name, (high / second, low / second))
        low, high = min(low, usual[0] * second), max(high, usual[1] * second)
        return Scale(unit, low / 1.25, high * 1.25, log=True)
    room = (high - min(low, 0)) * 0.04 or 1.0
    return Scale(unit, low - room if low < 0 else 0, high + room, log=False)


def _in_words(blocks: Sequence[Block]) -> str:
    sentences = []
    for block in blocks:
        rows = [f"{row.label} {row.text}" for row in block.rows]
        sentences.append(f"{block.heading}, medians: {'; '.join(rows)}.")
    return " ".join(sentences)


def _over(swept: str, anchor: str, series: Sequence[Series], found: Labels) -> Iterator[Plot]:
    measured: dict[tuple[str, str], list[_Point]] = {}
    for one in series:
        if swept not in one.parameters:
            continue
        for quantity in one.quantities:
            points = measured.setdefault((quantity.name, quantity.unit), [])
            points.append((one, quantity.p(50)))
        for title, (unit, part) in _COSTS.items():
            total = part(one.cost) if one.cost else None
            if one.cost and one.cost.operations and total is not None:
                points = measured.setdefault((title, unit), [])
                points.append((one, total / one.cost.operations))
    for number, ((title, unit), points) in enumerate(measured.items(), start=1):
        lines = _lines(points, swept, found)
        if any(len(line.points) > 1 for line in lines):
            name, said = f"{anchor}-over-{number}", _ends(lines, swept, unit)
            yield curves(name, title, said, lines, swept, _line_scale(lines, unit))


def _lines(points: Sequence[_Point], swept: str, found: Labels) -> list[Curve]:
    stores = sorted({one.store for one, _ in points}, key=order)
    drawn: dict[tuple[str, str], list[_Point]] = {}
    for one, value in points:
        drawn.setdefault(found.line(one, swept), []).append((one, value))
    return [
        Curve(
            label=_label(line[0][0], label),
            way=line[0][0].way,
            hue=stores.index(name) if len(stores) > 1 else number,
            points=tuple(sorted((float(one.parameters[swept]), value) for one, value in line)),
        )
        for number, ((name, label), line) in enumerate(drawn.items())
    ]


def _line_scale(lines: Sequence[Curve], unit: str) -> Scale:
    values = [value for line in lines for _, value in line.points]
    low, high = min(values), max(values)
    if low > 0 and high / low >= WIDE:
        return Scale(unit, low / 1.4, high * 1.4, log=True)
    return Scale(unit, min(low, 0), high * 1.08 or 1.0, log=False)


def _ends(lines: Sequence[Curve], swept: str, unit: str) -> str:
    said = []
    for line in lines:
        (first, low), (last, high) = line.points[0], line.points[-1]
        said.append(f"{line.label}: {spread(low, high, unit)} from {first:g} to {last:g} {swept}")
    return f"{'; '.join(said)}."
