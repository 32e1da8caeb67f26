"""A gateway that plays one part of a move: it ends the first stream, and answers the next late."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc import aio

from incumbent.v1 import election_service_pb2 as pb
from tests.clients import lasting

TOKEN = 7
DRAINING = (("incumbent-reason", "GATEWAY_DRAINING"),)
NOT_LEADER = (("incumbent-reason", "NOT_LEADER"),)


class Moving:
    """Leads whoever enters. The first stream ends by `move`; `answer` answers those after it.

    Who proclaims before it is answered does not lead: a gateway that fetches the term says so.
    """

    def __init__(self) -> None:
        self.move, self.entered, self.answer = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.early: list[bytes] = []  # values that were proclaimed before the answer
        self._value = b""
        self._streams = 0

    async def campaign(self, _: object, context: Any) -> None:
        """Serve one stream."""
        self._streams += 1
        first = self._streams == 1
        enter = (await context.read()).enter
        self._value = enter.value if enter.HasField("value") else self._value
        if not first:
            self.entered.set()
        reading = asyncio.create_task(self._read(context, first))
        try:
            await (asyncio.sleep(0) if first else self.answer.wait())
            await context.write(self._leads(0))
            await (self.move.wait() if first else reading)
        finally:
            reading.cancel()
        if first:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "moving", DRAINING)

    async def _read(self, context: Any, first: bool) -> None:
        while (message := await context.read()) is not aio.EOF:
            kind = message.WhichOneof("message")
            if kind == "resign":
                return
            if kind == "proclaim":
                self._value = message.proclaim.value
                if not (first or self.answer.is_set()):
                    self.early.append(self._value)
                    await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no", NOT_LEADER)
            if first or self.answer.is_set():
                await context.write(self._leads(message.heartbeat.sequence))

    def _leads(self, sequence: int) -> pb.CampaignResponse:
        return pb.CampaignResponse(
            state=pb.STATE_LEADING,
            term=pb.Term(election="e", token=TOKEN, candidate="c", value=self._value),
            sequence=sequence,
            trust_for=lasting(9),
            next_heartbeat_in=lasting(3),
        )


@asynccontextmanager
async def moving() -> AsyncIterator[tuple[Moving, str]]:
    """Serve one; and its address."""
    server, gateway = aio.server(), Moving()
    campaign = grpc.stream_stream_rpc_method_handler(
        gateway.campaign,
        request_deserializer=pb.CampaignRequest.FromString,
        response_serializer=pb.CampaignResponse.SerializeToString,
    )
    service = "incumbent.v1.ElectionService"
    handler = grpc.method_handlers_generic_handler(service, {"Campaign": campaign})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield gateway, f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
