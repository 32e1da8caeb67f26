"""A bar on the terminal; elsewhere a line a scenario."""

import sys
import time

WIDTH = 30


class Progress:
    """Tells on stderr how far a scenario is."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._name, self._total, self._done, self._began = "", 1, 0, 0.0

    def begin(self, name: str, total: int) -> None:
        self._name, self._total, self._done = name, total, 0
        self._began = time.monotonic()
        if self._live:
            self._draw()
        else:
            print(f"{name} …", file=sys.stderr, flush=True)

    def step(self, count: int = 1) -> None:
        self._done = min(self._total, self._done + count)
        if self._live:
            self._draw()

    def end(self) -> None:
        took = time.monotonic() - self._began
        start = "\r\033[K" if self._live else ""
        print(f"{start}{self._name}: {took:.0f} s", file=sys.stderr, flush=True)

    def _draw(self) -> None:
        filled = WIDTH * self._done // self._total
        bar = "█" * filled + "·" * (WIDTH - filled)
        share = 100 * self._done // self._total
        print(f"\r\033[K{self._name:<14} {bar} {share:3} %", end="", file=sys.stderr, flush=True)
