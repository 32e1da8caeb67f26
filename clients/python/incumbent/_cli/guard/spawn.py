"""Starting COMMAND as the guard's child, with nothing of the guard about it."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

from incumbent._cli.guard.linux import die_with_parent
from incumbent._cli.guard.wire import Start

# What a terminal or a person may send: none of it ends or stops the guard.
_IGNORED: Final = (
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP, signal.SIGTTIN,
    signal.SIGTTOU, signal.SIGUSR1, signal.SIGUSR2,
)  # fmt: skip

Dispositions = Mapping[int, bool]


def ignore_signals() -> Dispositions:
    """Ignore them here; tell for each whether it was ignored before, as nohup does."""
    return {number: signal.signal(number, signal.SIG_IGN) == signal.SIG_IGN for number in _IGNORED}


def command(words: Sequence[str], start: Start, dispositions: Dispositions) -> int:
    """Start COMMAND in a process group of its own; its pid. Raises OSError if it cannot be.

    Its input and outputs are ours, which are those of `run`. Descriptors that `run` was given
    go on to it as well, as if `run` were not there.
    """
    guard = os.getpid()

    def in_the_child() -> None:
        die_with_parent(signal.SIGKILL)
        if os.getppid() != guard:  # Dead before the kernel was told.
            os.kill(os.getpid(), signal.SIGKILL)
        if start.terminal is not None:
            os.tcsetpgrp(start.terminal, os.getpid())
        for number, ignored in dispositions.items():
            if not ignored:
                signal.signal(number, signal.SIG_DFL)

    process = subprocess.Popen(
        words,
        env={**os.environ, **start.environ},
        close_fds=False,
        process_group=0,
        preexec_fn=in_the_child,  # noqa: PLW1509 - the guard has a single thread
    )
    pid, process.returncode = process.pid, 0  # Kin waits for it, not this object.
    return pid
