"""From a failing seed to the few faults that it takes."""

from collections.abc import Callable, Sequence

from tests.simulation.faults import Fault

Breaks = Callable[[Sequence[Fault]], bool]


def shrink(faults: Sequence[Fault], breaks: Breaks) -> Sequence[Fault]:
    """Take faults away while `breaks` holds: halves first, then smaller parts, then single ones."""
    left, size = list(faults), max(1, len(faults) // 2)
    while left:
        for start in range(0, len(left), size):
            fewer = left[:start] + left[start + size :]
            if breaks(fewer):
                left = fewer
                break
        else:
            if size == 1:
                return left
            size = max(1, size // 2)
        size = max(1, min(size, len(left) // 2))
    return left
