"""The clock that trust is counted on: it goes on while the machine sleeps, and nobody sets it."""

import time

# Linux: CLOCK_BOOTTIME. macOS has no clock of that name, but its CLOCK_MONOTONIC does the same.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime() -> float:
    """Tell the present instant, in seconds. Comparable between the processes of one machine."""
    return time.clock_gettime(_CLOCK)
