"""What `run` and its guard tell each other: one JSON object a packet, over a socket pair."""

import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final

from incumbent._cli.guard.plan import Cause

LARGEST: Final = 65_536  # bytes; no message comes near it


@dataclass(frozen=True, slots=True)
class Start:
    """To the guard: start COMMAND, with these variables added to its environment."""

    until: float  # seconds of CLOCK_BOOTTIME
    grace: float  # seconds
    environ: Mapping[str, str]
    terminal: int | None  # the descriptor of a terminal whose foreground COMMAND shall have


@dataclass(frozen=True, slots=True)
class Until:
    """To the guard: trust ends at this instant now; -inf: it is over."""

    until: float


@dataclass(frozen=True, slots=True)
class End:
    """To the guard: send this signal to COMMAND's group, and KILL after the grace."""

    signal: int


@dataclass(frozen=True, slots=True)
class Started:
    """From the guard: COMMAND runs; its process group has the same number."""

    pid: int


@dataclass(frozen=True, slots=True)
class NotStarted:
    """From the guard, its last word: COMMAND could not be started, for this errno."""

    errno: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """From the guard: COMMAND was stopped by this signal, as Ctrl-Z does."""

    signal: int


@dataclass(frozen=True, slots=True)
class Ended:
    """From the guard, its last word: COMMAND and all that it started are dead."""

    code: int  # COMMAND's exit code, or 128 + the signal that ended it
    cause: Cause


Message = Start | Until | End | Started | NotStarted | Stopped | Ended
_KINDS: Final = {
    kind.__name__: kind for kind in (Start, Until, End, Started, NotStarted, Stopped, Ended)
}


class Gone(Exception):
    """The other side is dead, or has said its last word."""


class Channel:
    """One end of the pair. Nothing here ever waits: the other side may be frozen."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end

    def fileno(self) -> int:
        """Tell the descriptor that is readable when there is something to receive."""
        return self._end.fileno()

    def send(self, message: Message) -> bool:
        """Send it if that is possible at once; whether it was."""
        packet = json.dumps({"kind": type(message).__name__, **asdict(message)})
        with suppress(OSError):
            self._end.send(packet.encode())
            return True
        return False

    def receive(self) -> Message | None:
        """Take the next message, None if there is none yet; raises Gone after the last one."""
        try:
            packet = self._end.recv(LARGEST)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            # It ended before it read all of ours, which is told before its last words are.
            return self.receive()
        if not packet:
            raise Gone
        return _decoded(json.loads(packet))

    def close(self) -> None:
        """Close this end; the other side finds it Gone."""
        self._end.close()


def _decoded(fields: dict[str, Any]) -> Message:
    kind = _KINDS[fields.pop("kind")]
    if "cause" in fields:
        fields["cause"] = Cause(fields["cause"])
    message: Message = kind(**fields)
    return message


def channels() -> tuple[Channel, socket.socket]:
    """A pair: one end to use here, the other to pass on."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(here), there
