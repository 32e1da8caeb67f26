"""A TCP proxy between client and gateway that can break connections and lose answers."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close by a reset


class Proxy:
    """Forwards to one gateway. `mute` keeps its answers back."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._gateway = (host, int(port))
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.target = ""
        self.mute = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(*self._gateway)
        except OSError:
            writer.close()
            return
        self._open |= {writer, back}
        for source, drain, answers in ((reader, back, False), (there, writer, True)):
            task = asyncio.create_task(self._pump(source, drain, answers=answers))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, source: asyncio.StreamReader, drain: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if not (answers and self.mute):
                    drain.write(data)
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
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


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
