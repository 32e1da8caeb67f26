"""The two kinds of plots: samples in rows on one scale, and lines over what grows.

Nothing is told by colour alone: rows carry their label and their median, lines their own mark.
Sizes are CSS pixels at which a plot is shown unscaled.
"""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from incumbent_compare.report.numbers import tick
from incumbent_compare.report.svg import GRID, GROUND, HUES, INK, MUTED, POINT, drawing, render
from incumbent_compare.results import Way

SHOWN = 40
"""So many samples of a row are drawn; of more, this many that are evenly spaced by rank."""
FONT, SMALL = 13.0, 12.0
_LETTER, _NARROW = 0.57 * FONT, 0.57 * SMALL
_LOOKS: Final = {
    Way.GATEWAY: (HUES[0], "o"),
    Way.DIRECT: (HUES[1], "s"),
    Way.FLOOR: (HUES[2], "^"),
}
_MARKS: Final = ("o", "s", "^", "D", "v", "P", "X")
_MEANT: Final = {
    Way.GATEWAY: "round: gateway",
    Way.DIRECT: "square: direct peer",
    Way.FLOOR: "triangle: floor",
}
_DASHES: Final = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 1.5, 1.5, 1.5)))


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis of values."""

    unit: str
    low: float
    high: float
    log: bool


@dataclass(frozen=True, slots=True)
class Row:
    """The samples of one series."""

    label: str
    way: Way
    samples: tuple[float, ...]
    """Sorted."""
    median: float
    medians: tuple[float, float]
    """The range of the repetitions' medians."""
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """Rows under a heading."""

    heading: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """A line over what grows: `hue` is the number of its colour and mark, `dash` of its dashes."""

    label: str
    gateway: bool
    hue: int
    dash: int
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing in one size, or in a wide and a narrow one."""

    title: str
    caption: str
    wide: Markup
    narrow: Markup | None = None


def strips(name: str, title: str, said: str, blocks: Sequence[Block], scale: Scale) -> Plot:
    """Rows of samples, labels beside them where there is room and above them where not."""
    rows = [row for block in blocks for row in block.rows]
    marks = [text for way, text in _MEANT.items() if any(row.way is way for row in rows)]
    caption = (
        f"Each mark is a sample ({', '.join(marks)}), the upright line the median of all, the bar"
        " the range of the repetitions' medians."
    )
    if any(len(row.samples) > SHOWN for row in rows):
        caption += f" Of more than {SHOWN}, {SHOWN} that are evenly spaced by rank are drawn."
    with drawing():
        wide = render(_strips(blocks, scale, 960, narrow=False), f"{name}-wide", title, said)
        narrow = render(_strips(blocks, scale, 358, narrow=True), f"{name}-narrow", title, said)
    return Plot(title, caption, wide, narrow)


def curves(
    name: str, title: str, said: str, lines: Sequence[Curve], over: str, scale: Scale
) -> Plot:
    """Medians over what grows, one line a series."""
    with drawing():
        return Plot(title, "", render(_curves(lines, over, scale), name, title, said))


def thinned(samples: Sequence[float]) -> list[float]:
    """At most SHOWN of the sorted samples, the smallest and the largest among them."""
    if len(samples) <= SHOWN:
        return list(samples)
    last = len(samples) - 1
    return [samples[round(last * number / (SHOWN - 1))] for number in range(SHOWN)]


def _strips(blocks: Sequence[Block], scale: Scale, width: float, *, narrow: bool) -> Figure:
    rows = [row for block in blocks for row in block.rows]
    longest = max(len(row.label) for row in rows)
    left, right = (12.0, 18.0) if narrow else (min(380.0, 24 + longest * _LETTER), 110.0)
    letters = int(270 / _NARROW) if narrow else int((left - 16) / _LETTER)
    labels = {row: _wrapped(row.label, letters) for row in rows}
    head, foot = (34.0 if len(blocks) > 1 else 8.0), 34.0
    heights = {row: _height(labels[row], narrow=narrow) for row in rows}
    height = head * len(blocks) + sum(heights[row] for row in rows) + foot
    figure = Figure(figsize=(width / 96, height / 96), dpi=96)
    axes = _axes(figure, width, height, (left, foot, right, 0))
    axes.set_ylim(height - foot, 0)
    _value_axis(axes, scale, most=5 if narrow else 8)
    top = 0.0
    for block in blocks:
        if len(blocks) > 1:
            heading = _short(block.heading, 46 if narrow else 110)
            _write(figure, 0, top + head / 2 + 2, heading, weight="bold")
        top += head
        for row in block.rows:
            step = heights[row]
            middle = top + (step - 14 if narrow else step / 2)
            _samples(axes, row, middle)
            if narrow:
                _write(figure, 0, top + 2, labels[row], size=SMALL, va="top")
                _write(figure, width, top + 2, row.text, size=SMALL, ha="right", va="top")
            else:
                _write(figure, left - 12, middle, labels[row], ha="right")
                _write(figure, width - right + 14, middle, row.text)
            top += step
    return figure


def _height(label: str, *, narrow: bool) -> float:
    lines = label.count("\n")
    return 46.0 + 17 * lines if narrow else 30.0 + 12 * lines


def _samples(axes: Axes, row: Row, y: float) -> None:
    colour, mark = _LOOKS[row.way]
    low, high = row.medians
    axes.plot([row.samples[0], row.samples[-1]], [y, y], color=MUTED, linewidth=1 * POINT, zorder=2)
    axes.plot(
        [low, high], [y, y], color=colour, linewidth=10 * POINT, alpha=0.35, zorder=2.5,
        solid_capstyle="butt",
    )  # fmt: skip
    drawn = thinned(row.samples)
    axes.plot(
        drawn, [y] * len(drawn), linestyle="none", marker=mark, markersize=6 * POINT,
        markerfacecolor=GROUND, markeredgecolor=colour, markeredgewidth=1.4 * POINT, alpha=0.8,
        zorder=3,
    )  # fmt: skip
    axes.plot([row.median, row.median], [y - 9, y + 9], color=INK, linewidth=2.4 * POINT, zorder=4)


def _curves(lines: Sequence[Curve], over: str, scale: Scale) -> Figure:
    width, plot, legend = 410.0, 230.0, 19.0 * len(lines)
    foot = 52 + legend
    figure = Figure(figsize=(width / 96, (plot + foot + 12) / 96), dpi=96)
    axes = _axes(figure, width, plot + foot + 12, (66, foot, 14, 12))
    xs = sorted({x for line in lines for x, _ in line.points})
    if xs[0] > 0 and xs[-1] / xs[0] >= 10:
        axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(_apart(xs)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: tick(x, "")))
    axes.set_xlabel(_short(over, 40), fontsize=FONT * POINT)
    axes.margins(x=0.06)
    _value_axis(axes, scale, most=5, vertical=True)
    # The legend has the order in which the lines end.
    ordered = sorted(lines, key=lambda line: -line.points[-1][1])
    for line in ordered:
        hue, mark = HUES[line.hue % len(HUES)], _MARKS[line.hue % len(_MARKS)]
        axes.plot(
            *zip(*line.points, strict=True), label=_short(line.label, 48), color=hue, marker=mark,
            linestyle=_DASHES[line.dash % len(_DASHES)], linewidth=2 * POINT,
            markersize=7 * POINT, markerfacecolor=hue if line.gateway else GROUND,
        )  # fmt: skip
    figure.legend(
        loc="lower left", bbox_to_anchor=(0, 0), ncols=1, frameon=False, fontsize=SMALL * POINT,
        handlelength=3.2, borderaxespad=0.2, labelspacing=0.55,
    )  # fmt: skip
    return figure


def _axes(
    figure: Figure, width: float, height: float, room: tuple[float, float, float, float]
) -> Axes:
    """Axes with this room around them: left, below, right, above."""
    left, below, right, above = room
    box = (left / width, below / height, 1 - (left + right) / width, 1 - (below + above) / height)
    axes = figure.add_axes(box)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, labelsize=SMALL * POINT, pad=5)
    return axes


def _value_axis(axes: Axes, scale: Scale, *, most: int, vertical: bool = False) -> None:
    axis, limits = (axes.yaxis, axes.set_ylim) if vertical else (axes.xaxis, axes.set_xlim)
    if not vertical:
        axes.yaxis.set_major_locator(NullLocator())
    if scale.log:
        (axes.set_yscale if vertical else axes.set_xscale)("log")
        axis.set_major_locator(FixedLocator(_decades(scale, most)))
        axis.set_minor_locator(NullLocator())
    else:
        axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10]))
    limits(scale.low, scale.high)
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value, scale.unit)))
    axes.grid(visible=True, axis="y" if vertical else "x", color=GRID, linewidth=1 * POINT)
    axes.set_axisbelow(True)


def _decades(scale: Scale, most: int) -> list[float]:
    """Round values within a log scale: 1, 2 and 5, or powers of ten alone, or some of those."""
    powers = range(math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high)) + 1)
    for parts in ((1, 2, 5), (1, 3), (1,)):
        values = [part * 10.0**power for power in powers for part in parts]
        inside = [value for value in values if scale.low <= value <= scale.high]
        if len(inside) <= most:
            return inside
    tens = [10.0**power for power in powers]
    return tens[:: -(-len(tens) // most)]


def _write(
    figure: Figure, x: float, y: float, text: str, *,
    size: float = FONT, ha: str = "left", va: str = "center", weight: str = "normal",
) -> None:  # fmt: skip
    """Text at x pixels from the left of the figure, y from its top."""
    width, height = figure.get_size_inches() * 96
    figure.text(
        x / width, 1 - y / height, text,
        fontsize=size * POINT, ha=ha, va=va, fontweight=weight, linespacing=1.15,
    )  # fmt: skip


def _apart(values: Sequence[float]) -> list[float]:
    """The values that can each have a label: those that are not close to the one before."""
    kept: list[float] = []
    span = values[-1] - values[0]
    log = values[0] > 0 and values[-1] / values[0] >= 10
    for value in values:
        if not kept or (value / kept[-1] >= 1.9 if log else value - kept[-1] >= span / 6):
            kept.append(value)
    return kept


def _wrapped(text: str, letters: int) -> str:
    """The text on two lines at the most."""
    lines = textwrap.wrap(text, letters, max_lines=2, placeholder="…")
    return "\n".join(lines)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
