"""A Campaign stream over gRPC: read what the client sends, send what its Campaign says.

The handler's own task writes, a second one reads. What is sent is made when it is sent, so a slow
client gets the latest state, never a queue. The handler ends the stream; whatever ends the
handler, a broken connection too, is told to the Campaign. A client that does not read holds up what
is sent to it: for as long as it likes while its candidacy lasts, and LAST_WITHIN after that.
"""

import asyncio
from contextlib import suppress
from typing import Any

from grpc import aio

from incumbent.v1 import election_service_pb2 as pb
from incumbent_server import validate
from incumbent_server.campaign import Campaign
from incumbent_server.candidacy import State
from incumbent_server.clock import World
from incumbent_server.elector import Elector
from incumbent_server.messages import Responses, to_entry
from incumbent_server.reasons import Reason, Refused, refused
from incumbent_server.telemetry import Metrics

Context = aio.ServicerContext[pb.CampaignRequest, pb.CampaignResponse]
BID_WITHIN = 0.05  # seconds that the first response waits for the store, where nobody leads
ENTER_WITHIN = 10.0  # seconds that a stream may stay silent before its `enter`
# Seconds for the last message, which a client that does not read holds up. The pings notice a dead
# connection within 4 s, so this ends only who lives and does not read.
LAST_WITHIN = 5.0


class CampaignStream:
    """One stream, from its first message to its status."""

    def __init__(self, elector: Elector, world: World, metrics: Metrics, context: Context) -> None:
        self._elector = elector
        self._world = world
        self._metrics = metrics
        self._context = context
        self._campaign: Campaign | None = None  # while the writer is at work
        self._limit = asyncio.timeout(None)  # the writer's
        self._wake = asyncio.Event()
        self._fault: Exception | None = None
        self._sequence = 0
        self._made = ""  # a credential of the gateway's making that the client does not know yet
        self._responses = Responses()
        self._sending = False  # a message is on its way
        self._due = False  # and another has to follow
        self._ended = False  # its last message is sent

    async def serve(self) -> None:
        """Serve the stream to its end; Refused unless it ends well."""
        election, campaign = await self._enter()
        reader = asyncio.create_task(self._read(campaign))
        try:
            with suppress(TimeoutError):  # what is left to be told is the status
                async with self._limit:
                    self._campaign = campaign
                    self._changed()  # it may be over already
                    await self._write(campaign)
        finally:
            self._campaign = None
            reader.cancel()
            campaign.broken()
        end = campaign.ending
        assert end is not None
        if end.reason is not None:
            raise refused(end.reason, election)

    async def _enter(self) -> tuple[str, Campaign]:
        try:
            async with asyncio.timeout(ENTER_WITHIN):
                first = await self._next()
        except TimeoutError:
            late = f"be sent within {ENTER_WITHIN:g} s after the stream was opened"
            raise validate.out_of_order("enter", late) from None
        if first is None or not first.HasField("enter"):
            raise validate.out_of_order("enter", "be the first message of a stream")
        election = validate.election(first.enter.election, "enter.election")
        entry, self._made = to_entry(first.enter, self._world)
        return election, self._elector.campaign(election, entry, self._changed)

    async def _read(self, campaign: Campaign) -> None:
        try:
            while (request := await self._next()) is not None:
                if request.WhichOneof("message") == "heartbeat":
                    await self._heartbeat(campaign, request.heartbeat.sequence)
                else:
                    self._handle(campaign, request)
        except Exception as fault:  # noqa: BLE001 - bad input, or the call broke: the writer ends it
            self._fault = fault
            self._wake.set()

    async def _next(self) -> pb.CampaignRequest | None:
        """Read a message; None once the client has half-closed, which says only that."""
        request: Any = await self._context.read()
        if isinstance(request, Refused):
            raise request
        return None if request is aio.EOF else request

    async def _heartbeat(self, campaign: Campaign, sequence: int) -> None:
        """Answer at once, without waking the writer: this is what a gateway does all day."""
        self._sequence = validate.sequence(sequence, self._sequence)
        self._metrics.heartbeat()
        answer = campaign.heartbeat(sequence)
        response = None
        if answer is not None and not (self._sending or self._made):
            response = self._responses.again(answer, sequence)
        if response is None:
            await self._send(campaign)
            return
        self._sending = True
        try:
            await self._context.write(response)
        finally:
            self._sending = False
        if self._due:
            await self._send(campaign)

    def _handle(self, campaign: Campaign, request: pb.CampaignRequest) -> None:
        match request.WhichOneof("message"):
            case "proclaim":
                campaign.proclaim(validate.value(request.proclaim.value, "proclaim.value"))
            case "resign":
                campaign.resign()
            case "enter":
                raise validate.out_of_order("enter", "come once a stream, as its first message")
            case _:
                allowed = "hold one of enter, heartbeat, proclaim, resign"
                raise validate.out_of_order("message", allowed)

    async def _write(self, campaign: Campaign) -> None:
        """Send states until the last one is sent."""
        await self._bid(campaign)
        while not self._ended:
            self._wake.clear()
            if self._fault is not None:
                raise self._fault
            await self._send(campaign)
            if not self._ended:
                await self._wake.wait()

    def _changed(self) -> None:
        """Wake the writer, which has LAST_WITHIN left once the candidacy is over."""
        self._wake.set()
        if self._campaign is not None and self._campaign.ending is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + LAST_WITHIN)

    async def _bid(self, campaign: Campaign) -> None:
        """Give the bid for a vacancy a moment: who wins it gets one message, not two."""
        view = campaign.view()
        if view is None or view.position != 1 or view.term is not None:
            return
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(BID_WITHIN):
                await self._wake.wait()

    async def _send(self, campaign: Campaign) -> None:
        """Send the latest state; while a message is on its way, only see that it is followed."""
        self._due = True
        if self._sending:
            return
        self._sending = True
        try:
            while self._due and not self._ended:
                self._due = False
                await self._send_one(campaign)
        finally:
            self._sending = False

    async def _send_one(self, campaign: Campaign) -> None:
        ending = campaign.ending
        view = campaign.view() if ending is None else ending.view
        if view is not None:
            last = view.state is State.LOST or ending is not None
            pace = None if last else campaign.next_heartbeat_in()
            response = self._responses.make(view, pace)
            if self._made:
                response.credential = self._made
            await self._context.write(response)
            if self._made:
                response.credential = self._made = ""
        if ending is not None:
            self._ended = True
            self._wake.set()


def over_limit(limit: int) -> Refused:
    """Refuse one stream more than this gateway serves."""
    return Refused(
        Reason.TOO_MANY_STREAMS,
        f"this gateway serves {limit} streams already: try another one, or later",
        metadata={"limit": str(limit)},
    )
