"""`run`'s side of the guard: starting it, talking to it, and doing its work if it fails."""

import asyncio
import math
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from incumbent._cli.guard.kin import bury
from incumbent._cli.guard.linux import adopt_orphans, boottime, children
from incumbent._cli.guard.plan import Cause, Plan
from incumbent._cli.guard.wire import (
    Channel,
    End,
    Ended,
    Gone,
    Message,
    Start,
    Started,
    Until,
    channels,
)

_GUARD: Final = Path(__file__).with_name("guard")
_PAUSE: Final = 0.01  # seconds between two looks at what was killed
_SLOW: Final = 0.25  # seconds that a guard may take to kill, where trust does not end meanwhile
_PATIENCE: Final = 1.0  # seconds for a guard that has said its last word to end


class Warden:
    """One guard and its COMMAND. Used once: the next term gets a new one.

    The guard starts with the block, before there is a thread of gRPC, and waits for `start`.
    """

    def __init__(self, command: Sequence[str], grace: float) -> None:
        self._command = command
        self._grace = grace
        self._plan = Plan.given(boottime(), grace, boottime())
        self.late_at = math.inf  # from this instant on the guard has failed
        self.pid: int | None = None  # COMMAND's, and its process group's

    def __enter__(self) -> Self:
        adopt_orphans()
        self._strangers = children()  # those that came with an exec of ours
        self._channel, end = channels()
        with end:
            end.set_inheritable(True)
            words = [sys.executable, "-I", "-S", str(_GUARD), str(end.fileno()), *self._command]
            # COMMAND gets the descriptors that we got, as if we were not there.
            self._process = subprocess.Popen(words, close_fds=False, process_group=0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End a guard that guards nothing any more."""
        self._channel.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def start(self, until: float, environ: Mapping[str, str], terminal: int | None) -> None:
        """Have COMMAND started, with these variables added to its environment."""
        self._channel.send(Start(until, self._grace, dict(environ), terminal))
        self._planned(Plan.given(until, self._grace, boottime()))

    def renew(self, until: float) -> None:
        """Tell the guard when trust ends, -inf when it is over, if that is news to it."""
        if until != self._plan.until and self._channel.send(Until(until)):
            self._planned(self._plan.renewed(until, boottime()))

    def _planned(self, plan: Plan) -> None:
        self._plan = plan
        late_at = min(plan.until - plan.margin / 2, plan.kill_from + _SLOW)
        self.late_at = max(late_at, boottime() + _SLOW)

    def end(self, number: int) -> None:
        """Have the signal sent to COMMAND's group, and KILL after the grace."""
        self._channel.send(End(number))
        self._planned(self._plan.ending(Cause.SIGNAL, boottime(), ask=False))

    def depose(self) -> None:
        """Kill COMMAND's group and the guard, which did not do it; `hear` tells the end."""
        if self.pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        self._process.kill()

    async def hear(self) -> Message:
        """Wait for the guard's next word. If it dies without a last one, its work is done here."""
        try:
            while (message := self._channel.receive()) is None:
                await _readable(self._channel)
        except Gone:
            self.depose()
            self._process.wait()
            distrusted = boottime() >= self._plan.until - self._plan.margin
            cause = Cause.TRUST if distrusted else self._plan.cause or Cause.UNGUARDED
            return Ended(await self._kill_all(), cause)
        if isinstance(message, Started):
            self.pid = message.pid
        return message

    async def _kill_all(self) -> int:
        """Kill all that the guard's death left to us, until nothing is; COMMAND's exit code.

        The kernel has sent COMMAND its KILL already.
        """
        code = 128 + signal.SIGKILL
        while left := children() - self._strangers:
            for pid in left:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
                exited = bury(pid)
                if exited is not None and pid == self.pid:
                    code = exited
            await asyncio.sleep(_PAUSE)
        return code


async def _readable(channel: Channel) -> None:
    """Wait until there is something to receive."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(channel, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(channel)
