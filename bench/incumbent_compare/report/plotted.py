"""Which plots a scenario has: lines where one number grows, else the samples in rows."""

from collections.abc import Callable, Iterator, Sequence

from incumbent_compare.report.figures import middle, named
from incumbent_compare.report.labels import Labels, plain
from incumbent_compare.report.numbers import amount, beside, is_rate, is_time, seconds, spread
from incumbent_compare.report.plots import Block, Curve, Plot, Row, Scale, curves, strips
from incumbent_compare.report.stores import order, store
from incumbent_compare.results import Cost, Quantity, Series, Way

ROWS = 60
"""So many rows a plot has room for."""
FEW = 6
"""So many plots of lines a scenario has."""
WIDE = 20.0
"""From this ratio of the largest to the smallest on, values are drawn on a log scale."""
_USUAL = {"failover": (0.01, 30.0)}  # seconds: what the axis of a scenario always spans
_COSTS: dict[str, tuple[str, Callable[[Cost], float | None]]] = {
    "CPU of the gateway for one operation": ("s", lambda cost: cost.gateway),
    "CPU of the store for one operation": ("s", lambda cost: cost.store),
    "requests at the store for one operation": ("", lambda cost: cost.requests),
}
_Measured = tuple[Series, Quantity]
_Point = tuple[Series, float]


def plots(name: str, anchor: str, series: Sequence[Series], found: Labels) -> Iterator[Plot]:
    """The plots of a scenario; none where there is too little to see."""
    swept = found.swept(series)
    if swept is not None:
        yield from _over(swept, anchor, series, found)
    else:
        yield from _rows(name, anchor, series, found)


def _rows(name: str, anchor: str, series: Sequence[Series], found: Labels) -> Iterator[Plot]:
    unit, pairs = _worth(series)
    if not pairs:
        return
    blocks = _blocks(pairs[:ROWS], found)
    title = "; ".join(block.heading for block in blocks[:3]) + "; …" * (len(blocks) > 3)
    if len(pairs) > ROWS:
        title += f" (the first {ROWS} rows of {len(pairs)})"
    scale = _scale([row for block in blocks for row in block.rows], unit, name)
    yield strips(f"{anchor}-rows", title, _in_words(blocks), blocks, scale)


def _worth(series: Sequence[Series]) -> tuple[str, list[_Measured]]:
    """What is worth a plot: the durations of a scenario, else its rates, else what is first.

    Nothing is where all samples are the same.
    """
    units: dict[str, list[_Measured]] = {}
    values: dict[str, set[float]] = {}
    for one in series:
        for quantity in one.quantities:
            units.setdefault(quantity.unit, []).append((one, quantity))
            values.setdefault(quantity.unit, set()).update(*quantity.repetitions)
    telling = [unit for unit in units if len(values[unit]) > 1]
    telling.sort(key=lambda unit: (not is_time(unit), not is_rate(unit)))
    return (telling[0], units[telling[0]]) if telling else ("", [])


def _blocks(pairs: Sequence[_Measured], found: Labels) -> list[Block]:
    names = dict.fromkeys(named(quantity) for _, quantity in pairs)
    return [
        Block(
            name,
            tuple(_row(one, quantity, found) for one, quantity in pairs if named(quantity) == name),
        )
        for name in names
    ]


def _row(series: Series, quantity: Quantity, found: Labels) -> Row:
    medians = quantity.medians()
    return Row(
        label=_label(series, found.of(series)),
        way=series.way,
        samples=tuple(sorted(quantity.samples)),
        median=middle(quantity),
        medians=(min(medians), max(medians)),
        text=amount(middle(quantity), beside(quantity.unit)),
    )


def _label(series: Series, label: str) -> str:
    return " · ".join(filter(None, [series.store and store(series.store).brief, label]))


def _scale(rows: Sequence[Row], unit: str, name: str) -> Scale:
    low, high = min(row.samples[0] for row in rows), max(row.samples[-1] for row in rows)
    if is_time(unit) and low > 0 and (high / low >= WIDE or name in _USUAL):
        least, most = _USUAL.get(name, (low * seconds(unit), high * seconds(unit)))
        low, high = min(low, least / seconds(unit)), max(high, most / seconds(unit))
        return Scale(unit, low / 1.25, high * 1.25, log=True)
    return _linear(unit, low, high)


def _linear(unit: str, low: float, high: float) -> Scale:
    """From zero, with a little room at the end."""
    low, high = min(low, 0.0), max(high, 0.0)
    room = (high - low) * 0.05 or 1.0
    return Scale(unit, low - room if low else low, high + room, log=False)


def _in_words(blocks: Sequence[Block]) -> str:
    sentences = []
    for block in blocks:
        rows = [f"{row.label} {row.text}" for row in block.rows]
        sentences.append(f"{block.heading}, medians: {'; '.join(rows)}.")
    return " ".join(sentences)


def _over(swept: str, anchor: str, series: Sequence[Series], found: Labels) -> Iterator[Plot]:
    drawn = 0
    for (name, unit), points in _grown(swept, series).items():
        lines = _lines(points, swept, found)
        values = {value for line in lines for _, value in line.points}
        # A line of two points at least, and not all of them nothing.
        if drawn < FEW and any(len(line.points) > 1 for line in lines) and values != {0.0}:
            drawn += 1
            said, scale = _ends(lines, swept, unit), _line_scale(values, unit)
            yield curves(f"{anchor}-over-{drawn}", name, said, lines, plain(swept), scale)


def _grown(swept: str, series: Sequence[Series]) -> dict[tuple[str, str], list[_Point]]:
    """The medians of all quantities, and then what an operation cost, of the series that grow."""
    measured: dict[tuple[str, str], list[_Point]] = {}
    growing = [one for one in series if swept in one.parameters]
    for one in growing:
        for quantity in one.quantities:
            points = measured.setdefault((named(quantity), quantity.unit), [])
            points.append((one, middle(quantity)))
    for one in growing:
        for title, (unit, part) in _COSTS.items():
            total = part(one.cost) if one.cost else None
            if one.cost and one.cost.operations and total is not None:
                points = measured.setdefault((title, unit), [])
                points.append((one, total / one.cost.operations))
    return measured


def _lines(points: Sequence[_Point], swept: str, found: Labels) -> list[Curve]:
    drawn: dict[tuple[str, str], list[_Point]] = {}
    for one, value in points:
        drawn.setdefault(found.line(one, swept), []).append((one, value))
    stores = sorted({name for name, _ in drawn}, key=order)
    alike = {label for _, label in drawn}
    lines: list[Curve] = []
    for (name, label), line in drawn.items():
        hue = stores.index(name)
        lines.append(
            Curve(
                label=_label(line[0][0], label if len(alike) > 1 or not name else ""),
                gateway=line[0][0].way is Way.GATEWAY,
                hue=hue,
                dash=sum(other.hue == hue for other in lines),
                points=tuple(sorted((float(one.parameters[swept]), value) for one, value in line)),
            )
        )
    return lines


def _line_scale(values: set[float], unit: str) -> Scale:
    low, high = min(values), max(values)
    if low > 0 and high / low >= WIDE:
        return Scale(unit, low / 1.4, high * 1.4, log=True)
    return _linear(unit, low, high)


def _ends(lines: Sequence[Curve], swept: str, unit: str) -> str:
    said = []
    for line in lines:
        (first, low), (last, high) = line.points[0], line.points[-1]
        said.append(
            f"{line.label}: {spread(low, high, beside(unit))} from {first:g} to {last:g} {swept}"
        )
    return f"{'; '.join(said)}."
