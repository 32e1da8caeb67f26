"""The guard's life: await the order to start, start COMMAND, end it in time, tell how it ended."""

import select
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from incumbent._cli.guard import spawn
from incumbent._cli.guard.kin import Kin, bury
from incumbent._cli.guard.linux import adopt_orphans, be_named, boottime
from incumbent._cli.guard.plan import Cause, Order, Plan
from incumbent._cli.guard.wire import (
    Channel,
    End,
    Ended,
    Gone,
    NotStarted,
    Start,
    Started,
    Stopped,
    Until,
)

# The longest wait. select counts on a clock that stands still while the machine sleeps.
TICK: Final = 0.25


def main(descriptor: int, command: Sequence[str]) -> None:
    """Guard one COMMAND, by what is heard at the other end of the socket with this descriptor."""
    end = socket.socket(fileno=descriptor)
    end.set_inheritable(False)  # COMMAND would keep it open.
    channel = Channel(end)
    dispositions = spawn.ignore_signals()
    be_named("incumbent-guard")
    adopt_orphans()
    start = _await_start(channel)
    if start is None:
        return
    try:
        pid = spawn.command(command, start, dispositions)
    except OSError as error:
        channel.send(NotStarted(error.errno or 0))
        return
    channel.send(Started(pid))
    Guard(channel, Kin(pid), Plan.given(start.until, start.grace, boottime())).stay()


def _await_start(channel: Channel) -> Start | None:
    """Wait for the order to start; None if `run` ends without one."""
    with suppress(Gone):
        while True:
            select.select([channel], [], [])
            message = channel.receive()
            if isinstance(message, Start):
                return message
    return None


class Guard:
    """Keeps a running COMMAND to its plan until all of it is dead."""

    def __init__(self, channel: Channel, kin: Kin, plan: Plan) -> None:
        self._channel: Channel | None = channel  # None once `run` is dead
        self._kin = kin
        self._plan = plan
        self._deaths = _wake_on(signal.SIGCHLD)

    def stay(self) -> None:
        """Return when COMMAND and all that it started are dead, and `run` was told."""
        while not self._look():
            self._obey(self._plan.order(boottime()))
            self._wait()
            self._listen()
        if self._channel is not None:
            self._channel.send(Ended(self._kin.code or 0, self._plan.cause or Cause.ITSELF))
        bury(self._kin.command)

    def _look(self) -> bool:
        """See who is dead; whether all are."""
        stopped_by = self._kin.look()
        if stopped_by is not None and self._channel is not None:
            self._channel.send(Stopped(stopped_by))
        if self._kin.code is not None:
            self._plan = self._plan.ending(Cause.ITSELF, boottime())
        return self._kin.gone()

    def _obey(self, order: Order) -> None:
        if order is not Order.NOTHING:
            self._plan = self._plan.ending(Cause.TRUST, boottime())
        if order is Order.TERM:
            self._kin.ask()
        elif order is Order.KILL:
            self._kin.kill()

    def _wait(self) -> None:
        """Wait for news or for the next instant of the plan."""
        now = boottime()
        sources: list[Channel | socket.socket] = [self._deaths]
        if self._channel is not None:
            sources.append(self._channel)
        select.select(sources, [], [], min(self._plan.next_instant(now) - now, TICK))
        with suppress(BlockingIOError):
            self._deaths.recv(4096)

    def _listen(self) -> None:
        """Take all that `run` says. Its death is heard as well: nobody will renew the trust."""
        try:
            while self._channel is not None and (message := self._channel.receive()) is not None:
                self._take(message)
        except Gone:
            self._channel = None
            self._plan = self._plan.ending(Cause.ORPHANED, boottime())

    def _take(self, message: object) -> None:
        match message:
            case Until(until):
                self._plan = self._plan.renewed(until, boottime())
            case End(number):
                self._kin.send(number)
                self._plan = self._plan.ending(Cause.SIGNAL, boottime(), ask=False)


def _wake_on(number: int) -> socket.socket:
    """A socket that becomes readable when this signal arrives."""
    read, write = socket.socketpair()
    read.setblocking(False)
    write.setblocking(False)
    signal.set_wakeup_fd(write.detach(), warn_on_full_buffer=False)
    signal.signal(number, lambda *_: None)
    return read
