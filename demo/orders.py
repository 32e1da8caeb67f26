"""What the conductor tells a candidate: lines on its standard input.

resign    leave the term after the next write, and campaign anew
hold      after the next check that says `held`, say so, and do not write yet
go        write now
"""

import os
import signal
import sys
from collections.abc import Callable
from threading import Event, Thread


class Orders:
    """Listens on a thread of its own.

    The end of the input is the end of the conductor, and ends this process too.
    """

    def __init__(self) -> None:
        self._resign, self._hold, self._go = Event(), Event(), Event()
        Thread(target=self._listen, name="orders", daemon=True).start()

    def _listen(self) -> None:
        orders = {"resign": self._resign, "hold": self._hold, "go": self._go}
        for line in sys.stdin:
            orders[line.strip()].set()
        os.kill(os.getpid(), signal.SIGTERM)

    def to_resign(self) -> bool:
        """Tell whether to resign now; once an order."""
        ordered = self._resign.is_set()
        self._resign.clear()
        return ordered

    def gate(self, at_the_gate: Callable[[], None]) -> None:
        """Wait for `go` if told to `hold`, after having called `at_the_gate`."""
        if self._hold.is_set():
            self._hold.clear()
            at_the_gate()
            self._go.wait()
            self._go.clear()
