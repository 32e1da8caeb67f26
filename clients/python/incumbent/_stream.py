"""One Campaign stream: what is sent goes out in order, what comes in is handed on."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from grpc import aio

from incumbent._failure import Failure, failure, failure_of
from incumbent.v1 import election_service_pb2 as pb
from incumbent.v1 import election_service_pb2_grpc as rpc


class Listener(Protocol):
    """Who drives a stream."""

    def on_response(self, stream: "Stream", response: pb.CampaignResponse) -> None:
        """Take in a response."""

    def on_end(self, stream: "Stream", how: Failure) -> None:
        """Take in the end of the stream; a status OK is a Failure too."""


class Stream:
    """A stream of the given attempt at the given gateway, opened as soon as its metadata is there.

    grpc takes one write at a time, and cancelling a write cancels the call: so one task writes, and
    it is never cancelled alone.
    """

    def __init__(
        self,
        stub: "rpc.ElectionServiceAsyncStub",
        metadata: Callable[[], Coroutine[Any, Any, tuple[tuple[str, str], ...]]],
        *,
        gateway: int,
        attempt: int,
        listener: Listener,
    ) -> None:
        self.gateway: int = gateway
        self.attempt: int = attempt
        self.ended: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()
        self._listener = listener
        self._stub = stub
        self._metadata = asyncio.create_task(metadata())
        self.closed: bool = False  # by this side
        self._call: Any = None  # once it is open
        self._outbox: deque[pb.CampaignRequest] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._reading = asyncio.create_task(self._read())

    def send(self, message: pb.CampaignRequest) -> None:
        """Send after what was sent before. A stream that is over swallows it."""
        if self.ended.done():
            return
        self._outbox.append(message)
        self._flush()

    def _flush(self) -> None:
        if self._call is not None and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._outbox:
                await self._call.write(self._outbox.popleft())
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 - the reader learns how it ended
            self._outbox.clear()

    async def _read(self) -> None:
        try:
            await self._open()
            while (response := await self._call.read()) is not aio.EOF:
                self._listener.on_response(self, response)
            how = await self._status()
        except aio.AioRpcError as error:
            how = failure_of(error)
        except asyncio.CancelledError:
            how = Failure("CANCELLED", "", "closed by this client")
        except Failure as refused:
            how = refused
        except Exception as error:  # noqa: BLE001 - the caller's `token`, or no status of gRPC's
            how = Failure("UNKNOWN", "", f"cannot be called: {error}")
        await self._end_writing()
        self.ended.set_result(how)
        self._listener.on_end(self, how)

    async def _open(self) -> None:
        metadata = await self._metadata
        if self.closed:
            raise asyncio.CancelledError
        self._call = self._stub.Campaign(metadata=metadata)
        self._flush()

    async def _end_writing(self) -> None:
        """Let no write outlive its stream, though gRPC may have forgotten it."""
        while self._writing is not None and not self._writing.done():
            self._writing.cancel()
            await asyncio.wait([self._writing])

    async def _status(self) -> Failure:
        code = await self._call.code()
        return failure(code, await self._call.trailing_metadata(), await self._call.details())

    def close(self) -> None:
        """End the stream without a word. Idempotent."""
        self.closed = True
        self._metadata.cancel()
        if self._call is not None:
            self._call.cancel()
