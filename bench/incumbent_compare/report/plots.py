"""The two kinds of plots: samples in rows on one scale, and lines over what grows.

Nothing is told by colour alone: rows carry their label and their median, lines their own mark.
Sizes are CSS pixels at which a plot is shown unscaled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from incumbent_compare.report.numbers import tick
from incumbent_compare.report.svg import GRID, GROUND, HUES, INK, MUTED, POINT, drawing, render
from incumbent_compare.results import Way

SHOWN = 40
"""So many samples of a row are drawn; of more, this many that are evenly spaced by rank."""
FONT, SMALL = 13.0, 12.0
_LETTER = 0.6 * FONT
_LOOKS: Final = {
    Way.GATEWAY: (HUES[0], "o"),
    Way.DIRECT: (HUES[1], "s"),
    Way.FLOOR: (HUES[2], "^"),
}
_MARKS: Final = ("o", "s", "^", "D", "v", "P", "X")
_DASHES: Final = {Way.GATEWAY: "-", Way.DIRECT: "--", Way.FLOOR: ":"}


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
    """A line over what grows; `hue` is the number of its colour and mark."""

    label: str
    way: Way
    hue: int
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
    caption = (
        "Each mark is a sample, the upright line the median of all, the bar the range of the"
        " repetitions' medians."
    )
    if any(len(row.samples) > SHOWN for block in blocks for row in block.rows):
        caption += f" Of more than {SHOWN}, {SHOWN} that are evenly spaced by rank are drawn."
    with drawing():
        wide = render(_strips(blocks, scale, 960, narrow=False), f"{name}-wide", title, said)
        narrow = render(_strips(blocks, scale, 358, narrow=True), f"{name}-narrow", title, said)
    return Plot(title, caption, wide, narrow)


def curves(
    name: str, title: str, said: str, lines: Sequence[Curve], over: str, scale: Scale
) -> Plot:
    """Medians over what grows, one line a series."""
    caption = "Medians. Solid lines are gateways, dashed ones direct peers, dotted ones the floor."
    with drawing():
        figure = _curves(lines, over, scale)
        return Plot(title, caption, render(figure, name, title, said))


def thinned(samples: Sequence[float]) -> list[float]:
    """At most SHOWN of the sorted samples, the smallest and the largest among them."""
    if len(samples) <= SHOWN:
        return list(samples)
    last = len(samples) - 1
    return [samples[round(last * number / (SHOWN - 1))] for number in range(SHOWN)]


def _strips(blocks: Sequence[Block], scale: Scale, width: float, *, narrow: bool) -> Figure:
    headed = len(blocks) > 1 or bool(blocks[0].heading)
    step, head, foot = (46.0, 34.0, 34.0) if narrow else (30.0, 36.0, 34.0)
    height = sum((head if headed else 8) + step * len(block.rows) for block in blocks) + foot
    longest = max(len(row.label) for block in blocks for row in block.rows)
    left, right = (10.0, 18.0) if narrow else (min(330.0, 24 + longest * _LETTER), 150.0)
    figure = _figure(width, height)
    axes = _axes(figure, width, height, (left, foot, right, 0))
    axes.set_ylim(height - foot, 0)
    _value_axis(axes, scale, most=4 if narrow else 7)
    top = 0.0
    for block in blocks:
        if headed:
            _write(axes, -left, top + head / 2 + 2, block.heading, weight="bold")
        top += head if headed else 8
        for row in block.rows:
            middle = top + (step - 14 if narrow else step / 2)
            _samples(axes, row, middle)
            if narrow:
                _write(axes, -left, top + 10, _short(row.label, 31), size=SMALL)
                _write(axes, width - left, top + 10, row.text, size=SMALL, ha="right")
            else:
                label = _short(row.label, int((left - 16) / _LETTER))
                _write(axes, -12, middle, label, ha="right")
                _write(axes, width - left - right + 14, middle, row.text)
            top += step
    return figure


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
    width, plot, legend = 440.0, 230.0, 22.0 * len(lines)
    foot = 52 + legend
    figure = _figure(width, plot + foot + 12)
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
            linestyle=_DASHES[line.way], linewidth=2 * POINT, markersize=7 * POINT,
            markerfacecolor=hue if line.way is Way.GATEWAY else GROUND,
        )  # fmt: skip
    figure.legend(
        loc="lower left", bbox_to_anchor=(0, 0), ncols=1, frameon=False, fontsize=SMALL * POINT,
        handlelength=3.2, borderaxespad=0.2, labelspacing=0.55,
    )  # fmt: skip
    return figure


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width / 96, height / 96), dpi=96)


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
        axis.set_major_locator(LogLocator(numticks=most))
        axis.set_minor_locator(NullLocator())
    else:
        axis.set_major_locator(MaxNLocator(most))
    limits(scale.low, scale.high)
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value, scale.unit)))
    axes.grid(visible=True, axis="y" if vertical else "x", color=GRID, linewidth=1 * POINT)
    axes.set_axisbelow(True)


def _write(
    axes: Axes, x: float, y: float, text: str, *,
    size: float = FONT, ha: str = "left", weight: str = "normal",
) -> None:  # fmt: skip
    """Text at x pixels from the left of the axes, at y of its scale."""
    left = axes.get_position().x0 * axes.figure.bbox.width
    figure = axes.get_figure(root=True)
    assert figure is not None
    pixel = figure.bbox.width
    place = (left + x) / pixel
    axes.text(
        (place - axes.get_position().x0) / axes.get_position().width, y, text,
        transform=axes.get_yaxis_transform(), fontsize=size * POINT, ha=ha, va="center",
        fontweight=weight,
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


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
