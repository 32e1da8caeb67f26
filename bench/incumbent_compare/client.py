"""The load generator's side: plain gRPC, as any client without an SDK speaks it."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from google.protobuf import duration_pb2
from grpc import aio

from incumbent.v1 import election_service_pb2 as pb
from incumbent.v1 import election_service_pb2_grpc

Stub = Any  # the generated stub, whose types know the blocking calls only

# A connection of its own for each channel, as clients on different machines have.
_OPTIONS = (("grpc.use_local_subchannel_pool", 1),)


@asynccontextmanager
async def connected(address: str, connections: int = 1) -> AsyncIterator[Sequence[Stub]]:
    """Open so many connections to a server; streams are dealt out over them."""
    async with AsyncExitStack() as stack:
        stubs = []
        for _ in range(connections):
            channel = aio.insecure_channel(address, options=_OPTIONS)
            await stack.enter_async_context(channel)
            await channel.channel_ready()
            stubs.append(election_service_pb2_grpc.ElectionServiceStub(channel))
        yield stubs


class Ended(Exception):
    """The server ended a stream that was to go on."""


class Candidate:
    """One Campaign stream."""

    def __init__(self, stub: Stub, election: str, *, keep: bool = False, ttl: int = 10) -> None:
        self._call = stub.Campaign()
        self._sequence = 0
        self._enter = pb.Enter(election=election, ttl=duration_pb2.Duration(seconds=ttl), attempt=1)
        if keep:
            self._enter.credential = secrets.token_urlsafe(24)

    def again(self, stub: Stub, token: int) -> "Candidate":
        """Go on with the term of this token on a new stream."""
        candidate = Candidate(stub, self._enter.election)
        candidate._enter.CopyFrom(self._enter)
        candidate._enter.attempt = self._enter.attempt + 1
        candidate._enter.resume_token = token
        return candidate

    async def enter(self) -> None:
        await self._call.write(pb.CampaignRequest(enter=self._enter))

    async def until(self, state: pb.State.ValueType) -> pb.CampaignResponse:
        """Read until a response has this state."""
        while (response := await self.read()).state != state:
            pass
        return response

    async def read(self) -> pb.CampaignResponse:
        """Read a response. Ended: there is none."""
        try:
            response = await self._call.read()
        except aio.AioRpcError as error:
            raise Ended(f"{error.code()}: {error.details()}") from None
        if response is aio.EOF:
            raise Ended(f"{await self._call.code()}: {await self._call.details()}")
        assert isinstance(response, pb.CampaignResponse)
        return response

    async def lead(self) -> pb.CampaignResponse:
        """Enter, and read until it leads."""
        await self.enter()
        return await self.until(pb.STATE_LEADING)

    async def heartbeat(self) -> pb.CampaignResponse:
        """Send the next heartbeat and read its answer."""
        self._sequence += 1
        beat = pb.Heartbeat(sequence=self._sequence)
        await self._call.write(pb.CampaignRequest(heartbeat=beat))
        while (response := await self.read()).sequence < self._sequence:
            pass
        return response

    async def resign(self) -> None:
        """Send the resign only; `over` waits for what comes of it."""
        await self._call.write(pb.CampaignRequest(resign=pb.Resign()))

    async def over(self) -> None:
        while await self._call.read() is not aio.EOF:
            pass

    def cancel(self) -> None:
        self._call.cancel()
