"""A bar on the terminal; elsewhere a line a part."""

import sys
import time

WIDTH = 30


class Progress:
    """Tells on stderr which part runs, and how much of the planned time is behind."""

    def __init__(self, planned: float) -> None:
        self._live = sys.stderr.isatty()
        self._planned, self._behind = max(planned, 1.0), 0.0
        self._name, self._part, self._steps, self._began = "", 0.0, 0, 0.0

    def begin(self, name: str, seconds: float) -> None:
        """A part begins that is planned to take so long."""
        self._name, self._part, self._steps = name, seconds, 0
        self._began = time.monotonic()
        self._draw()

    def step(self) -> None:
        """One repetition more."""
        self._steps += 1
        self._draw()

    def end(self) -> None:
        """The part is over, however long it took."""
        took = time.monotonic() - self._began
        self._behind += self._part
        start = "\r\033[K" if self._live else ""
        share = f"{100 * min(1.0, self._behind / self._planned):3.0f} %"
        print(f"{start}{share}  {self._name}: {took:.0f} s", file=sys.stderr, flush=True)

    def _draw(self) -> None:
        if not self._live:
            return
        took = min(self._part, time.monotonic() - self._began)
        share = min(1.0, (self._behind + took) / self._planned)
        filled = round(WIDTH * share)
        bar = "█" * filled + "·" * (WIDTH - filled)
        doing = f"{self._name}, {self._steps} repetitions"
        print(f"\r\033[K{bar} {100 * share:3.0f} %  {doing}", end="", file=sys.stderr, flush=True)
