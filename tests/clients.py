"""A small client that keeps to the contract, for tests; also a process of its own to be killed.

`Stream` is one Campaign stream by hand. `Candidate` is one that sends its heartbeats by itself,
counts its trust on CLOCK_BOOTTIME and knows until when it may believe that it leads.
"""

import asyncio
import json
import math
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Self

from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc import StatusCode, aio

from incumbent.v1 import election_service_pb2 as pb
from incumbent.v1 import election_service_pb2_grpc as rpc
from incumbent.v1 import error_reason_pb2

PATIENCE = 10.0  # seconds after which a test gives up waiting

# Gateways come and go here: knock again soon, and share no connection with another client.
OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # how long one attempt may take
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.enable_retries", 0),
)


def now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def an_election(beginning: str = "e2e") -> str:
    return f"{beginning}/{secrets.token_hex(6)}"


def a_credential() -> str:
    return secrets.token_urlsafe(24)


def lasting(seconds: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromTimedelta(timedelta(seconds=seconds))
    return duration


def seconds_of(duration: duration_pb2.Duration) -> float:
    return duration.seconds + duration.nanos / 1e9


@asynccontextmanager
async def connected(target: str) -> AsyncIterator["rpc.ElectionServiceAsyncStub"]:
    """The calls of one gateway."""
    async with aio.insecure_channel(target, options=OPTIONS) as channel:
        yield rpc.ElectionServiceStub(channel)


class Told:
    """A refusal as its client sees it."""

    def __init__(
        self, code: StatusCode | None, message: str | None, trailing: aio.Metadata | None
    ) -> None:
        self.code, self.message = code, message or ""
        self.reason, packed = "", b""
        for key, content in trailing or ():
            if key == "incumbent-reason":
                self.reason = str(content)
            if key == "grpc-status-details-bin":
                packed = content if isinstance(content, bytes) else content.encode()
        self.status = status_pb2.Status.FromString(packed)

    @classmethod
    def of(cls, error: aio.AioRpcError) -> Self:
        return cls(error.code(), error.details(), error.trailing_metadata())

    def detail(self, kind: type[Any]) -> Any:
        """The one detail of this kind."""
        (packed,) = [each for each in self.status.details if each.Is(kind.DESCRIPTOR)]
        found = kind()
        packed.Unpack(found)
        return found

    def detail_names(self) -> set[str]:
        return {each.TypeName().rpartition(".")[2] for each in self.status.details}

    @property
    def info(self) -> Any:
        return self.detail(error_details_pb2.ErrorInfo)

    def __repr__(self) -> str:
        return f"{self.code} {self.reason or '-'}: {self.message}"


class Stream:
    """One Campaign stream, by hand: what is sent and when is up to the test."""

    def __init__(self, target: str) -> None:
        self._channel = aio.insecure_channel(target, options=OPTIONS)
        self._call = rpc.ElectionServiceStub(self._channel).Campaign()
        self.heard: list[pb.CampaignResponse] = []
        self.ending: Told | None = None
        self.sequence = 0
        self.sent_at: dict[int, float] = {}
        self._news = asyncio.Condition()
        self._writing = asyncio.Lock()  # grpc takes one write at a time
        self._reader = asyncio.create_task(self._read())

    async def ready(self) -> None:
        """Wait for the connection."""
        await self._channel.channel_ready()

    async def _read(self) -> None:
        with suppress(aio.AioRpcError, asyncio.InvalidStateError):
            async for response in self._call:
                await self._take(response)
        code, message = await self._call.code(), await self._call.details()
        async with self._news:
            self.ending = Told(code, message, await self._call.trailing_metadata())
            self._news.notify_all()
        self._ended()

    def _ended(self) -> None:
        """Called once the stream is over."""

    async def _take(self, response: pb.CampaignResponse) -> None:
        async with self._news:
            self.heard.append(response)
            self._news.notify_all()

    async def send(self, **message: Any) -> None:
        """Send one CampaignRequest; a stream that is over already is no error here."""
        await self.forward(pb.CampaignRequest(**message))

    async def forward(self, message: pb.CampaignRequest) -> None:
        with suppress(aio.AioRpcError, asyncio.InvalidStateError, aio.UsageError):
            async with self._writing:
                await self._call.write(message)

    async def enter(self, election: str, **fields: Any) -> Self:
        """Send `enter`; `ttl` may be given in seconds."""
        if isinstance(fields.get("ttl"), int | float):
            fields["ttl"] = lasting(fields["ttl"])
        self.sent_at[0] = now()
        await self.send(enter=pb.Enter(election=election, **fields))
        return self

    async def heartbeat(self, sequence: int | None = None) -> int:
        number = self.sequence = self.sequence + 1 if sequence is None else sequence
        self.sent_at[number] = now()
        await self.send(heartbeat=pb.Heartbeat(sequence=number))
        return number

    async def proclaim(self, value: bytes) -> None:
        await self.send(proclaim=pb.Proclaim(value=value))

    async def resign(self, seconds: float = PATIENCE) -> Told:
        """Resign in the stream and wait for its end."""
        await self.send(resign=pb.Resign())
        return await self.end(seconds)

    async def half_close(self) -> None:
        await self._call.done_writing()

    async def until(
        self, fits: Callable[[pb.CampaignResponse], bool], seconds: float = PATIENCE
    ) -> pb.CampaignResponse:
        """The latest response, once it fits."""

        def there() -> bool:
            return bool(self.heard) and fits(self.heard[-1])

        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: there() or self.ending is not None)
        assert there(), f"ended: {self.ending}; last heard: {self.heard[-1:]}"
        return self.heard[-1]

    async def state(
        self, state: "pb.State.ValueType", seconds: float = PATIENCE
    ) -> pb.CampaignResponse:
        return await self.until(lambda response: response.state == state, seconds)

    async def leads(self, seconds: float = PATIENCE) -> int:
        """Wait until it leads; the token."""
        return (await self.state(pb.STATE_LEADING, seconds)).term.token

    async def waits(self, seconds: float = PATIENCE) -> pb.CampaignResponse:
        return await self.state(pb.STATE_WAITING, seconds)

    async def answered(self, seconds: float = PATIENCE) -> pb.CampaignResponse:
        """Send a heartbeat and wait for its answer."""
        number = await self.heartbeat()
        return await self.until(lambda response: response.sequence >= number, seconds)

    async def end(self, seconds: float = PATIENCE) -> Told:
        """Wait for the end of the stream."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: self.ending is not None)
        assert self.ending is not None
        return self.ending

    async def lost(self, seconds: float = PATIENCE) -> str:
        """Wait for the end; the reason that the last message gave."""
        await self.end(seconds)
        assert self.heard
        last = self.heard[-1]
        assert last.state == pb.STATE_LOST, last
        return error_reason_pb2.ErrorReason.Name(last.reason).removeprefix("ERROR_REASON_")

    async def cut(self) -> None:
        """Leave without a word."""
        self._call.cancel()
        await asyncio.wait([self._reader])
        await self._channel.close()


class Candidate(Stream):
    """A candidate that heartbeats as asked and believes no longer than it may."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.believes_until = 0.0  # or until when it did
        self.believed_from = 0.0
        self.token = 0
        self._due = math.inf  # when the next heartbeat is
        self._interval = 0.1
        self._silent = False
        self._changed = asyncio.Event()
        self._pacer = asyncio.create_task(self._beat())

    async def _take(self, response: pb.CampaignResponse) -> None:
        leads = response.state in (pb.STATE_LEADING, pb.STATE_JEOPARDY)
        self._pace(response, distrusted=leads and not seconds_of(response.trust_for))
        self.believes_until = min(self.believes_until, now())
        if leads and response.HasField("trust_for"):
            sent = self.sent_at[response.sequence]
            self.believes_until = sent + seconds_of(response.trust_for)
            if self.token != response.term.token:
                self.token, self.believed_from = response.term.token, now()
        await super()._take(response)

    def believes(self) -> bool:
        return now() < self.believes_until

    async def believes_beyond(self, instant: float) -> None:
        """Wait until its trust reaches beyond an instant, and never ends before.

        Beyond one backend ttl from now only a renewal takes it that has yet to begin.
        """
        while self.believes_until <= instant:
            await self.answered()
            assert self.believes()
            await asyncio.sleep(0.1)

    def _pace(self, response: pb.CampaignResponse, *, distrusted: bool) -> None:
        self._due = math.inf
        if response.HasField("next_heartbeat_in"):
            self._interval = max(0.1, seconds_of(response.next_heartbeat_in))
            self._due = now() + (0 if distrusted else self._interval)
        self._changed.set()

    async def _beat(self) -> None:
        # A write that is cancelled would cancel the call: only the waiting ever is.
        while self.ending is None and not self._silent:
            self._changed.clear()
            wait = None if self._due == math.inf else self._due - now()
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                self._due = now() + self._interval
                await self.heartbeat()

    def _ended(self) -> None:
        self._changed.set()

    def fall_silent(self) -> None:
        """Send no heartbeat any more, but keep the stream."""
        self._silent = True
        self._changed.set()

    async def cut(self) -> None:
        self.fall_silent()
        await super().cut()
        await asyncio.wait([self._pacer])


class Streams:
    """The streams of one test; all are closed at its end."""

    def __init__(self) -> None:
        self._all: list[Stream] = []

    async def by_hand(self, target: str, election: str, **fields: Any) -> Stream:
        """A stream that entered and sends nothing by itself."""
        stream = self.bare(target)
        return await stream.enter(election, **fields)

    def bare(self, target: str) -> Stream:
        stream = Stream(target)
        self._all.append(stream)
        return stream

    async def candidate(self, target: str, election: str, **fields: Any) -> Candidate:
        """A KEEP candidate, unless the fields say otherwise."""
        candidate = Candidate(target)
        self._all.append(candidate)
        return await candidate.enter(election, **({"credential": a_credential()} | fields))

    async def close(self) -> None:
        await asyncio.gather(*(stream.cut() for stream in self._all))


async def _campaign(target: str, election: str, ttl: float, keep: str) -> None:
    """Campaign, and write a line for each state and, while leading, for each piece of work."""
    on_disconnect = pb.ON_DISCONNECT_KEEP if keep == "keep" else pb.ON_DISCONNECT_RELEASE
    candidate = Candidate(target)
    await candidate.enter(
        election, ttl=lasting(ttl), credential=a_credential(), on_disconnect=on_disconnect
    )
    told = 0
    while candidate.ending is None and (candidate.believes() or not candidate.token):
        for response in candidate.heard[told:]:
            told += 1
            state = pb.State.Name(response.state)
            print(json.dumps({"state": state, "token": response.term.token}), flush=True)
        if candidate.believes():
            print(json.dumps({"work": candidate.token, "at": now()}), flush=True)
        await asyncio.sleep(0.02)
    if candidate.token:  # its clock said so, or it has heard
        print(json.dumps({"stopped": candidate.token, "at": now()}), flush=True)
    await candidate.cut()


if __name__ == "__main__":
    asyncio.run(_campaign(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]))
