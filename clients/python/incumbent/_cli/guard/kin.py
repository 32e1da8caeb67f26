"""COMMAND, its process group, and the orphans that they leave: sending signals, seeing the end.

For the parent of COMMAND that adopts orphans: the guard, or `run` once the guard is dead. COMMAND
is waited for last of all, so its number means nothing else as long as anything of it lives.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from incumbent._cli.guard.linux import children


class Kin:
    """COMMAND and all that it started, as far as it lives; COMMAND leads its process group."""

    def __init__(self, command: int) -> None:
        self.command = command
        self.code: int | None = None  # of a dead COMMAND: its exit code, or 128 + the signal
        self._asked: set[int] = set()  # who was sent TERM, the group under COMMAND's number

    def send(self, number: int) -> None:
        """Send the group this signal, and wake what is stopped, or it would not notice."""
        _try(os.killpg, self.command, number)
        _try(os.killpg, self.command, signal.SIGCONT)
        if number == signal.SIGTERM:
            self._asked.add(self.command)

    def ask(self) -> None:
        """Send TERM, once, to the group and to each orphan outside of it."""
        if self.command not in self._asked:
            self.send(signal.SIGTERM)
        for orphan in self._orphans() - self._asked:
            self._asked.add(orphan)
            if not self._in_group(orphan):
                _try(os.kill, orphan, signal.SIGTERM)
                _try(os.kill, orphan, signal.SIGCONT)

    def kill(self) -> None:
        """Send KILL to the group and to each orphan; what these leave comes by the next call."""
        _try(os.killpg, self.command, signal.SIGKILL)
        for orphan in self._orphans():
            _try(os.kill, orphan, signal.SIGKILL)

    def look(self) -> int | None:
        """Wait for whoever is dead, without waiting; tell the signal that stopped COMMAND just now.

        Each stop is told once.
        """
        for orphan in self._orphans():
            if bury(orphan) is not None:
                self._asked.discard(orphan)
        ended = os.waitid(os.P_PID, self.command, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is not None:
            self.code = _code(ended)
            return None
        with suppress(ChildProcessError):  # It has ended in this very moment.
            stopped = os.waitid(os.P_PID, self.command, os.WSTOPPED | os.WNOHANG)
            return None if stopped is None else stopped.si_status
        return None

    def gone(self) -> bool:
        """Whether COMMAND and all that it started are dead, as the last look saw it."""
        return self.code is not None and not self._orphans()

    def _orphans(self) -> set[int]:
        return children() - {self.command}

    def _in_group(self, pid: int) -> bool:
        with suppress(ProcessLookupError):
            return os.getpgid(pid) == self.command
        return False


def bury(pid: int) -> int | None:
    """Wait for a child if it is dead; its exit code, or 128 + the signal that ended it."""
    with suppress(ChildProcessError):
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
        return None if ended is None else _code(ended)
    return None


def _code(ended: os.waitid_result) -> int:
    return ended.si_status if ended.si_code == os.CLD_EXITED else 128 + ended.si_status


def _try(send: Callable[[int, int], None], to: int, number: int) -> None:
    """Send a signal; the dead need none, and another user's process takes none from us."""
    with suppress(ProcessLookupError, PermissionError):
        send(to, number)
