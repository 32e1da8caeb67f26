"""Streams between clients and gateways: ordered, delayed, cut one way or both, reset."""

import random
from collections.abc import Callable
from contextvars import Context
from typing import Any, Protocol

from tests.simulation.loop import Process, SimLoop
from tests.simulation.messages import Over

FAST, SLOW = 0.0002, 0.003  # seconds of one way on a good day


class End(Protocol):
    """One end of a stream, as the network sees it."""

    def receive(self, message: Any) -> None: ...
    def broken(self) -> None: ...


class Direction:
    """One way of a stream. What is sent arrives in order, or not at all."""

    def __init__(self, network: "Network", to: Process, path: tuple[str, str]) -> None:
        self._network, self._to, self._path = network, to, path
        self._last = 0.0
        self.end: End | None = None
        self.open = True

    def send(self, message: object) -> None:
        self._later(self._deliver, message)

    def reset(self) -> None:
        """Tell the receiving end that the stream broke, after what is still on its way."""
        self._later(self._break)

    def _later(self, callback: Callable[..., None], *args: object) -> None:
        self._last = max(self._last, self._network.arrival(self._path))
        self._network.at(self._last, self._to.call, callback, *args)

    def _deliver(self, message: object) -> None:
        if self.open and self.end is not None:
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

    def reset(self) -> None:
        self.up.reset()
        self.down.reset()


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

    def reset(self, process: Process) -> None:
        for stream in self.streams(process):
            stream.reset()

    def arrival(self, path: tuple[str, str]) -> float:
        """Tell when what is sent now on `path` arrives: a cut is survived by sending again."""
        delay = self._rng.uniform(FAST, self.slow)
        return max(self._loop.time(), self.cut_until.get(path, 0.0)) + delay

    def at(self, when: float, callback: Callable[..., object], *args: object) -> None:
        self._loop.call_at(when, callback, *args, context=self._context)
