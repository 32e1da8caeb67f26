"""Campaign and Observe streams of the load generator."""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from google.protobuf import duration_pb2
from google.protobuf.message import Message

from incumbent.v1 import election_service_pb2 as pb
from incumbent_compare.wire import Connection, Stream

AT_ONCE = 200  # streams that are being opened
PATIENCE = 60.0  # seconds for all of them, and
PACE = 40.0  # so many more of them each second
Answer = Callable[["Campaign"], bytes]
R = TypeVar("R", bound="Ready")


def silent(_: "Campaign") -> bytes:
    """Answer nothing."""
    return b""


class Ready(Stream):
    """A stream of which somebody waits until it is where it should be: `ready` is done."""

    def __init__(self) -> None:
        super().__init__()
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(self) -> None:
        """Tell who waits, if anybody does: of many streams that end, one is enough to know."""
        super().end()
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("the gateway ended a stream"))
            self.ready.exception()  # it was seen


class Campaign(Ready):
    """It leads, or waits, once `ready` is done; from then on `answer` says what to send."""

    method = "Campaign"

    def __init__(self, state: int = pb.STATE_LEADING, answer: Answer = silent) -> None:
        super().__init__()
        self._state = state
        self.sequence = 0
        self.answered = 0
        self.last = b""
        self.answer = answer

    def take(self, message: bytes) -> bytes:
        self.last = message
        if not self.ready.done():
            if self.response().state != self._state:
                return b""
            self.ready.set_result(None)
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


class Observation(Ready):
    """An Observe stream, which hands on the token of the present leader; None: vacant."""

    method = "Observe"

    def __init__(self, told: Callable[[int | None], None]) -> None:
        super().__init__()
        self._told = told

    def take(self, message: bytes) -> bytes:
        response = pb.ObserveResponse.FromString(message)
        if not response.synced:
            self._told(response.term.token if response.HasField("term") else None)
        elif not self.ready.done():
            self.ready.set_result(None)
        return b""


async def open_all(
    connections: Sequence[Connection],
    streams: Iterable[tuple[R, Message]],
    *,
    half_close: bool,
) -> list[R]:
    """Open streams with their first messages, dealt out over connections, until all are ready."""
    opened: list[R] = []
    for number, (stream, request) in enumerate(streams):
        connection = connections[number % len(connections)]
        opened.append(connection.open(stream, request, half_close=half_close))
        if number >= AT_ONCE:
            await opened[number - AT_ONCE].ready
    for stream in opened:
        await stream.ready
    return opened


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
    streams = (
        (
            Campaign(state, answer),
            pb.CampaignRequest(enter=enter(election, keep=keep, ttl=ttl)),
        )
        for election in elections
    )
    async with asyncio.timeout(PATIENCE + len(elections) / PACE):
        return await open_all(connections, streams, half_close=not keep)
