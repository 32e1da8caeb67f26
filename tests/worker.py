"""What `incumbent run` runs in tests: a family of processes that note when they were last alive.

    python tests/worker.py FILE [stubborn]

It has a child in its process group, and a daemon: a grandchild in a session of its own. FILE holds
a pid and an instant of CLOCK_BOOTTIME for each of the three. Once all are there it writes a line of
JSON with the three pids. `stubborn` ones ignore TERM, INT and HUP.
"""

import json
import mmap
import os
import signal
import struct
import sys
import time
from collections.abc import Mapping
from pathlib import Path

NAMES = ("command", "child", "daemon")
SLOT = struct.Struct("qd")
BREATH = 0.003  # seconds between two signs of life


def read(file: Path) -> Mapping[str, tuple[int, float]]:
    """Each one's pid, and the instant at which it was last alive."""
    return dict(zip(NAMES, SLOT.iter_unpack(file.read_bytes()), strict=True))


def _live(life: mmap.mmap, slot: int) -> None:
    while True:
        _breathe(life, slot)
        time.sleep(BREATH)


def _breathe(life: mmap.mmap, slot: int) -> None:
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    SLOT.pack_into(life, slot * SLOT.size, os.getpid(), now)


def _main(file: Path, *, stubborn: bool) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN if stubborn else signal.SIG_DFL)
    with file.open("w+b") as opened:
        opened.truncate(SLOT.size * len(NAMES))
        life = mmap.mmap(opened.fileno(), 0)
    if os.fork() == 0:
        _live(life, 1)
    if os.fork() == 0:
        if os.fork() != 0:
            os._exit(0)
        os.setsid()
        _live(life, 2)
    while not all(pid for pid, _ in SLOT.iter_unpack(bytes(life))):
        _breathe(life, 0)
        time.sleep(BREATH)
    print(json.dumps({name: pid for name, (pid, _) in read(file).items()}), flush=True)
    _live(life, 0)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), stubborn="stubborn" in sys.argv[2:])
