"""While `run` leads: tell the guard about trust, pass signals on, see COMMAND's end."""

import asyncio
import errno
import os
import signal
from collections.abc import Mapping
from typing import Final

from incumbent._cli.exits import Exit
from incumbent._cli.guard.linux import boottime
from incumbent._cli.guard.wire import Ended, NotStarted, Started, Stopped
from incumbent._cli.program import NoProgram
from incumbent._cli.terminal import Terminal
from incumbent._cli.warden import Warden
from incumbent._cli.watch import Watch

_NAP: Final = 1.0  # seconds; a timer does not count a machine's sleep, the clock does
_PAUSE: Final = 0.2  # seconds after a suspension


async def supervise(watch: Watch, warden: Warden, environ: Mapping[str, str]) -> Ended:
    """Have COMMAND started and kept, until all of it is dead; tell how it ended.

    Raises NoProgram if it cannot be started.
    """
    terminal = Terminal()
    wanted = terminal.wanted()
    if wanted is not None:
        terminal.lent()
    warden.start(watch.until, environ, wanted)
    trust = asyncio.create_task(_follow_trust(watch, warden))
    restore = False
    try:
        ended = await _follow_command(warden, terminal)
        restore = ended.code > Exit.SIGNALLED
        return ended
    finally:
        trust.cancel()
        terminal.take_back(restore=restore)


async def _follow_trust(watch: Watch, warden: Warden) -> None:
    """Tell the guard each new end of trust. If it is late to kill, do so here."""
    warden.renew(watch.until)
    while (left := warden.late_at - boottime()) > 0:
        await watch.moved(within=min(left, _NAP))
        warden.renew(watch.until)
    warden.depose()


async def _follow_command(warden: Warden, terminal: Terminal) -> Ended:
    while True:
        match await warden.hear():
            case Ended() as ended:
                return ended
            case NotStarted(number):
                code = Exit.NOT_FOUND if number == errno.ENOENT else Exit.NOT_EXECUTABLE
                raise NoProgram(f"COMMAND cannot be run: {os.strerror(number)}", code)
            case Started(pid) if terminal.is_lent:
                terminal.lent(pid)
            case Stopped(number):
                await _stopped(number, warden, terminal)


async def _stopped(number: int, warden: Warden, terminal: Terminal) -> None:
    """Somebody stopped COMMAND: its terminal, the person at it, or a kill that we let be."""
    if warden.pid is None:
        return
    wants_terminal = number in (signal.SIGTTIN, signal.SIGTTOU)
    if wants_terminal and terminal.in_front():
        terminal.lend(warden.pid)
    elif wants_terminal or terminal.is_lent:
        terminal.suspend(warden.pid)
        # Where nobody could wake us again, we were not suspended: no reason to hurry.
        await asyncio.sleep(_PAUSE)
