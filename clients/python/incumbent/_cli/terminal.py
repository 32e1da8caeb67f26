"""The terminal's foreground: lent to COMMAND while it runs, so that it may read and be interrupted.

A terminal gives input, and Ctrl-C, to one process group of its session: the foreground.
"""

import os
import signal
import stat
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

_INPUT: Final = 0
_OUTPUT: Final = 1


class Terminal:
    """Our terminal, where our input is one. COMMAND's group is in its session, and may have it."""

    def __init__(self) -> None:
        self.is_lent = False
        self._group: int | None = None  # that has it; None: whichever COMMAND made its own
        self._modes: list[Any] = []

    def wanted(self) -> int | None:
        """Tell the descriptor of a terminal that COMMAND shall have from its start, if any.

        Not in a pipeline, `run -- make | less`: our group is that of `less` too, and stays there.
        """
        return _INPUT if self.in_front() and not _piped() else None

    def in_front(self) -> bool:
        """Whether our own group has the foreground."""
        with suppress(OSError):
            return os.tcgetpgrp(_INPUT) == os.getpgrp()
        return False

    def lent(self, group: int | None = None) -> None:
        """Remember that COMMAND has it, and how it was set until then."""
        if not self.is_lent:
            self.is_lent, self._modes = True, termios.tcgetattr(_INPUT)
        self._group = group

    def lend(self, group: int) -> None:
        """Give it to this group, and let the group go on."""
        self.lent(group)
        with _unstopped(), suppress(OSError):
            os.tcsetpgrp(_INPUT, group)
        _go_on(group)

    def take_back(self, *, restore: bool = False) -> None:
        """Take it back, unless a third one has it; `restore` how it was set, after a KILL."""
        if not self.is_lent:
            return
        self.is_lent = False
        with _unstopped(), suppress(OSError, termios.error):
            if self._group in (None, os.tcgetpgrp(_INPUT)):
                os.tcsetpgrp(_INPUT, os.getpgrp())
                if restore:
                    termios.tcsetattr(_INPUT, termios.TCSADRAIN, self._modes)

    def suspend(self, group: int) -> None:
        """COMMAND was suspended, as by Ctrl-Z: be suspended with it, and go on with it.

        Nobody heartbeats meanwhile: the guard ends COMMAND when trust runs out.
        """
        self.take_back()
        os.kill(0, signal.SIGTSTP)  # Our whole job. Returns when the shell lets it go on.
        if self.in_front():
            self.lend(group)
        else:
            _go_on(group)


def _piped() -> bool:
    with suppress(OSError):
        return stat.S_ISFIFO(os.fstat(_OUTPUT).st_mode)
    return False


def _go_on(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGCONT)


@contextmanager
def _unstopped() -> Iterator[None]:
    """Who is not in the foreground may not change it, unless it blocks the signal for that."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
