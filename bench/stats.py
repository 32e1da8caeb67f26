"""Numbers out of many: medians, percentiles, ranges."""

import math
import statistics
from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that is not below `percent` of all."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def parts(values: Sequence[float], count: int) -> list[Sequence[float]]:
    """Cut into `count` parts of one length; what is left over is left out."""
    size = max(1, len(values) // count)
    return [values[start : start + size] for start in range(0, size * count, size)]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The growth of y for each x, by least squares."""
    xs, ys = zip(*points, strict=True)
    return statistics.linear_regression(xs, ys).slope
