"""A TCP proxy before a gateway or a store: breaks connections, loses, delays and holds back."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal, TypeVar

T = TypeVar("T")

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close by a reset

Direction = Literal["requests", "answers"]


class Way:
    """One direction of all connections. What is held back or delayed keeps its order."""

    def __init__(self) -> None:
        self.delay = 0.0  # seconds for which each piece is on its way
        self._free = asyncio.Event()
        self._free.set()

    def hold(self) -> None:
        """Let nothing through; it piles up here, and its sender is not slowed down."""
        self._free.clear()

    def release(self) -> None:
        """Deliver what has piled up, and go on."""
        self._free.set()

    async def passed(self, arrived: float) -> None:
        """Wait until what arrived then may go on."""
        await asyncio.sleep(arrived + self.delay - asyncio.get_running_loop().time())
        await self._free.wait()


class Proxy:
    """Forwards to one server. `mute` loses its answers; `requests` and `answers` can wait.

    While it `refuses`, it ends at once whoever connects.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self.host, self.port = host, int(port)  # another one from the next connection on
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False
        self.target = ""
        self.mute = False
        self.refuses = False
        self.requests = Way()
        self.answers = Way()

    def __getitem__(self, direction: Direction) -> Way:
        return self.requests if direction == "requests" else self.answers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.close()
            return
        self._open.add(writer)
        connecting = self._own(asyncio.open_connection(self.host, self.port))
        await asyncio.wait([connecting])
        if connecting.cancelled() or connecting.exception() is not None:
            writer.close()
            return
        there, back = connecting.result()
        self._open.add(back)
        if self._closed:
            back.transport.abort()
            return
        self._start(reader, back, self.requests)
        self._start(there, writer, self.answers)

    def _start(self, source: asyncio.StreamReader, drain: asyncio.StreamWriter, way: Way) -> None:
        pile: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._own(self._take(source, pile))
        self._own(self._deliver(pile, drain, way))

    def _own(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _take(
        self, source: asyncio.StreamReader, pile: "asyncio.Queue[tuple[float, bytes]]"
    ) -> None:
        data = b""
        with suppress(OSError):
            while data := await source.read(65536):
                pile.put_nowait((asyncio.get_running_loop().time(), data))
        pile.put_nowait((0.0, b""))  # the end

    async def _deliver(
        self,
        pile: "asyncio.Queue[tuple[float, bytes]]",
        drain: asyncio.StreamWriter,
        way: Way,
    ) -> None:
        with suppress(OSError):
            while (piece := await pile.get())[1]:
                await way.passed(piece[0])
                if not (way is self.answers and self.mute):
                    drain.write(piece[1])
                    await drain.drain()
        drain.close()

    def reset(self) -> None:
        """Break every connection by a TCP reset, to both sides."""
        for writer in self._open:
            sock: socket.socket | None = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
        self._open.clear()

    async def close(self) -> None:
        self._closed = True
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the transports close at the loop's next turn


@asynccontextmanager
async def proxied(target: str) -> AsyncIterator[Proxy]:
    """A proxy before this gateway."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.target = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
