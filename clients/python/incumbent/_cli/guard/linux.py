"""What Linux offers here and Python has no name for, and the clock that trust is counted on."""

import ctypes
import os
import time
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_PR_SET_CHILD_SUBREAPER: Final = 36

_libc: Final = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, argument: int | bytes) -> None:
    if isinstance(argument, int):
        done = _libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0)
    else:
        done = _libc.prctl(option, ctypes.c_char_p(argument), 0, 0, 0)
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def die_with_parent(number: int) -> None:
    """Have the kernel send this process the signal when its parent ends; an exec keeps it."""
    _prctl(_PR_SET_PDEATHSIG, number)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def be_named(name: str) -> None:
    """Show this name, of 15 bytes at most, in lists of processes."""
    _prctl(_PR_SET_NAME, name.encode())


def children() -> set[int]:
    """List the children of this process's main thread, dead ones that nobody waited for too."""
    pid = os.getpid()
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def boottime() -> float:
    """Read the clock that trust is counted on; it goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
