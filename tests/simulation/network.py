"""Streams between clients and gateways: ordered, delayed, cut one way or both, reset.

Messages of one stream arrive in order or not at all; those of two streams overtake each other. What
arrives while a process stands still is read bit by bit after that, as from a socket's buffer.
"""

import random
from collections.abc import Callable
from contextvars import Context
from typing import Any, Protocol

from tests.simulation.loop import Process, SimLoop
from tests.simulation.messages import Over

FAST, SLOW = 0.0002, 0.003  # seconds of one way on a good day
PROMPT = 0.01  # seconds; who takes longer to begin to read was held up
BACKLOG = 0.1  # seconds that it takes then to read what piled up


class End(Protocol):
    """One end of a stream, as the network sees it."""

    def receive(self, message: Any) -> None: ...
    def broken(self) -> None: ...


class Direction:
    """One way of a stream. What is sent arrives in order, or not at all."""

    def __init__(self, network: "Network", to: Process, path: tuple[str, str]) -> None:
        self._network, self._to, self._path = network, to, path
        self._last = self._read_at = 0.0
        self.end: End | None = None
        self.open = True
        self.lost = False  # what is on its way never arrives
        self.unread = 0  # messages that arrived

    def send(self, message: object) -> None:
        self._later(self._deliver, message)

    def reset(self, *, lossy: bool = False) -> None:
        """Tell the receiving end that the stream broke, after what is still on its way, or not."""
        self.lost = self.lost or lossy
        self._later(self._break)

    def _later(self, callback: Callable[..., None], *args: object) -> None:
        self._last = max(self._last, self._network.arrival(self._path))
        self._network.at(self._last, self._arrive, self._last, callback, *args)

    def _arrive(self, instant: float, callback: Callable[..., None], *args: object) -> None:
        self.unread += 1
        self._to.call(self._read, instant, callback, *args)

    def _read(self, arrived: float, callback: Callable[..., None], *args: object) -> None:
        """Read now, or a bit later if this process was held up."""
        now = self._to.loop.time()
        if self._to.dead:
            return
        if now > arrived + PROMPT:
            self._read_at = max(self._read_at, now + self._network.backlog())
        if self._read_at <= now:
            self._take(callback, *args)
        else:
            self._to.loop.call_at(self._read_at, self._take, callback, *args)

    def _take(self, callback: Callable[..., None], *args: object) -> None:
        self.unread -= 1
        callback(*args)

    def _deliver(self, message: object) -> None:
        if self.open and self.end is not None and not self.lost:
            self.open = not isinstance(message, Over)
            self.end.receive(message)

    def _break(self) -> None:
        if self.open and self.end is not None:
            self.open = False
            self.end.broken()


class Stream:
    """Both ways between `client` and `gateway`, each named by its process."""

    def __init__(self, network: "Network", client: Process, gateway: Process) -> None:
        self.client, self.gateway = client, gateway
        self.up = Direction(network, gateway, (client.name, gateway.name))
        self.down = Direction(network, client, (gateway.name, client.name))

    def reset(self, *, lossy: bool = False) -> None:
        self.up.reset(lossy=lossy)
        self.down.reset(lossy=lossy)


class Network:
    def __init__(self, loop: SimLoop, rng: random.Random) -> None:
        self._loop, self._rng = loop, rng
        self._context = Context()
        self._streams: list[Stream] = []
        self.cut_until: dict[tuple[str, str], float] = {}  # (from, to): nothing arrives before
        self.slow: float = SLOW

    def connect(self, client: Process, gateway: Process) -> Stream:
        stream = Stream(self, client, gateway)
        self._streams = [each for each in self._streams if each.up.open and each.down.open]
        self._streams.append(stream)
        return stream

    def streams(self, process: Process) -> list[Stream]:
        return [each for each in self._streams if process in (each.client, each.gateway)]

    def reset(self, process: Process, *, lossy: bool = False) -> None:
        for stream in self.streams(process):
            stream.reset(lossy=lossy)

    def arrival(self, path: tuple[str, str]) -> float:
        """Tell when what is sent now on `path` arrives: a cut is survived by sending again."""
        delay = self._rng.uniform(FAST, self.slow)
        return max(self._loop.time(), self.cut_until.get(path, 0.0)) + delay

    def backlog(self) -> float:
        """Draw how long it takes to read on after a standstill."""
        return self._rng.uniform(0, BACKLOG)

    def at(self, when: float, callback: Callable[..., object], *args: object) -> None:
        self._loop.call_at(when, callback, *args, context=self._context)
