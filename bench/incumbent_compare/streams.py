"""Campaign and Observe streams of the load generator."""

import asyncio
import secrets
from collections.abc import Callable, Sequence

from google.protobuf import duration_pb2

from incumbent.v1 import election_service_pb2 as pb
from incumbent_compare.wire import Connection, Stream

AT_ONCE = 200  # streams that are being opened
PATIENCE = 60.0  # seconds for all of them, and
PACE = 40.0  # so many more of them each second
Answer = Callable[["Campaign"], bytes]


def silent(_: "Campaign") -> bytes:
    """Answer nothing."""
    return b""


class Campaign(Stream):
    """It leads, or waits, once `entered` is done; from then on `answer` says what to send."""

    method = "Campaign"

    def __init__(self, state: int = pb.STATE_LEADING, answer: Answer = silent) -> None:
        super().__init__()
        self._state = state
        self.sequence = 0
        self.answered = 0
        self.last = b""
        self.answer = answer
        self.entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, message: bytes) -> bytes:
        self.last = message
        if not self.entered.done():
            if self.response().state != self._state:
                return b""
            self.entered.set_result(None)
            return self.answer(self)
        self.answered += 1
        return self.answer(self)

    def response(self) -> pb.CampaignResponse:
        """Read what it was told last."""
        return pb.CampaignResponse.FromString(self.last)

    def beat(self) -> bytes:
        """Make the frame of the next heartbeat."""
        self.sequence += 1
        return self.message(pb.CampaignRequest(heartbeat=pb.Heartbeat(sequence=self.sequence)))

    def end(self) -> None:
        super().end()
        _fails(self.entered)


class Observation(Stream):
    """An Observe stream, which hands on the token of the present leader; None: vacant."""

    method = "Observe"

    def __init__(self, told: Callable[[int | None], None]) -> None:
        super().__init__()
        self._told = told
        self.synced: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, message: bytes) -> bytes:
        response = pb.ObserveResponse.FromString(message)
        if not response.synced:
            self._told(response.term.token if response.HasField("term") else None)
        elif not self.synced.done():
            self.synced.set_result(None)
        return b""

    def end(self) -> None:
        super().end()
        _fails(self.synced)


def _fails(future: asyncio.Future[None]) -> None:
    """Tell who waits, if anybody does: of many streams that end, one is enough to know."""
    if not future.done():
        future.set_exception(ConnectionError("the gateway ended a stream"))
        future.exception()  # it was seen


def enter(election: str, *, keep: bool, ttl: int = 10) -> pb.Enter:
    """KEEP: with a credential, and heartbeats are due; else RELEASE."""
    credential = secrets.token_urlsafe(24) if keep else ""
    return pb.Enter(
        election=election, ttl=duration_pb2.Duration(seconds=ttl), credential=credential
    )


async def lead(
    connections: Sequence[Connection],
    elections: Sequence[str],
    *,
    keep: bool,
    ttl: int = 10,
    answer: Answer = silent,
) -> list[Campaign]:
    """Lead each of the elections on a stream of its own; those without heartbeats half-closed."""
    leading = pb.STATE_LEADING
    return await candidates(connections, elections, leading, keep=keep, ttl=ttl, answer=answer)


async def candidates(
    connections: Sequence[Connection],
    elections: Sequence[str],
    state: int,
    *,
    keep: bool = False,
    ttl: int = 10,
    answer: Answer = silent,
) -> list[Campaign]:
    """Enter each of the elections on a stream of its own, until all have that state."""
    streams: list[Campaign] = []
    async with asyncio.timeout(PATIENCE + len(elections) / PACE):
        for number, election in enumerate(elections):
            stream = Campaign(state, answer)
            request = pb.CampaignRequest(enter=enter(election, keep=keep, ttl=ttl))
            connection = connections[number % len(connections)]
            streams.append(connection.open(stream, request, half_close=not keep))
            if number >= AT_ONCE:
                await streams[number - AT_ONCE].entered
        for stream in streams:
            await stream.entered
    return streams
