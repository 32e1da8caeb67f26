"""Writes the events of one process: one line, one write. It needs the standard library alone."""

import json
import os
import time
from pathlib import Path
from typing import Any

# Systems without CLOCK_BOOTTIME (macOS, BSD) have a CLOCK_MONOTONIC that goes on while they sleep.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_BLOCK = 4096


def now() -> float:
    """Tell the instant in seconds, on the clock that all histories of this machine share."""
    return time.clock_gettime(_CLOCK)


class Recorder:
    """Appends to `path` what `who` tells; kill -9 costs the last line at most.

    Threads share it, and so does a forked child, which should record under a name of its own. A
    line that an earlier process left half written is cut off.
    """

    def __init__(self, path: str | Path, who: str) -> None:
        self.who = who
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        _cut_torn_line(self._file)

    def record(self, what: str, *, at: float | None = None, **fields: Any) -> float:
        """Record an event of kind `what`; return its instant: `at`, or that of the call.

        Raises ValueError for what is no JSON (an infinite `until` is None), OSError when the line
        could not be written whole.
        """
        at = now() if at is None else at
        event = {"at": at, "who": self.who, "what": what, **fields}
        line = json.dumps(event, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        if os.write(self._file, line) != len(line):
            raise OSError(f"a line of {self.who} was written in part")
        return at

    def close(self) -> None:
        os.close(self._file)


def _cut_torn_line(file: int) -> None:
    """Cut off what follows the last newline."""
    end = os.fstat(file).st_size
    whole = end
    while whole > 0:
        begin = max(0, whole - _BLOCK)
        newline = os.pread(file, whole - begin, begin).rfind(b"\n")
        if newline >= 0:
            whole = begin + newline + 1
            break
        whole = begin
    if whole != end:
        os.ftruncate(file, whole)
