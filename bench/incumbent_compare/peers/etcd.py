"""etcd without a gateway: its own Election service, on a lease of 10 s that is kept alive.

Our stubs of etcd's API do not have that service; its few messages are written by hand.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.message import Message

from incumbent_backends import etcd_pb2 as pb
from incumbent_backends.etcd_url import parse_url
from incumbent_compare.contender import Contender, beside

TTL = 10  # seconds of the lease, renewed every third of it
PREFIX = "incumbent-compare/"
_LENGTH, _NUMBER = 2, 0  # kinds of fields on protobuf's wire
_LEADER = 2  # the field of the LeaderKey in a CampaignResponse
_OPTIONS = (("grpc.use_local_subchannel_pool", 1),)


class ElectionService(Contender):
    """Its client has one lease, for all that it leads."""

    def __init__(self, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...]) -> None:
        self._channel, self._metadata = channel, metadata
        self._lease = 0
        self._keys: dict[str, bytes] = {}
        self._campaign = self._bare("/v3electionpb.Election/Campaign")
        self._resign = self._bare("/v3electionpb.Election/Resign")
        self._alive = channel.stream_stream(
            "/etcdserverpb.Lease/LeaseKeepAlive",
            request_serializer=pb.LeaseKeepAliveRequest.SerializeToString,
            response_deserializer=pb.LeaseKeepAliveResponse.FromString,
        )(metadata=metadata)
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Have a lease."""
        grant = pb.LeaseGrantRequest(TTL=TTL)
        answer = await self._bare("/etcdserverpb.Lease/LeaseGrant")(grant.SerializeToString())
        self._lease = pb.LeaseGrantResponse.FromString(answer).ID

    async def keep(self) -> None:
        """Keep it alive until cancelled."""
        while True:
            await self.renew("")
            await asyncio.sleep(TTL / 3)

    async def renew(self, election: str) -> None:
        async with self._lock:
            await self._alive.write(pb.LeaseKeepAliveRequest(ID=self._lease))
            await self._alive.read()

    async def campaign(self, election: str) -> None:
        request = _field(1, (PREFIX + election).encode())
        request += _varint(2 << 3 | _NUMBER) + _varint(self._lease) + _field(3, b"value")
        answer = await self._campaign(request)
        self._keys[election] = _part(answer, _LEADER)

    async def resign(self, election: str) -> None:
        await self._resign(_field(1, self._keys.pop(election)))

    def _bare(self, path: str) -> Callable[[bytes], Awaitable[bytes]]:
        call: Callable[..., Awaitable[bytes]] = self._channel.unary_unary(path, bytes, bytes)

        async def ask(request: bytes) -> bytes:
            return await call(request, metadata=self._metadata)

        return ask


@asynccontextmanager
async def connected(
    url: str,
) -> AsyncIterator[tuple[grpc.aio.Channel, tuple[tuple[str, str], ...]]]:
    """A channel to the first member of the URL, and what a call says of who we are."""
    address = parse_url(url)
    credentials = address.credentials()
    channel = (
        grpc.aio.insecure_channel(address.members[0], options=_OPTIONS)
        if credentials is None
        else grpc.aio.secure_channel(address.members[0], credentials, options=_OPTIONS)
    )
    async with channel:
        if not address.user:
            yield channel, ()
            return
        who = pb.AuthenticateRequest(name=address.user, password=address.password)
        answer = await call(channel, "Auth/Authenticate", who, pb.AuthenticateResponse)
        yield channel, (("token", answer.token),)


async def call(
    channel: grpc.aio.Channel,
    method: str,
    request: Message,
    answer: type[Any],
    metadata: tuple[tuple[str, str], ...] = (),
) -> Any:
    """Ask etcd one thing."""
    ask = channel.unary_unary(
        f"/etcdserverpb.{method}",
        request_serializer=type(request).SerializeToString,
        response_deserializer=answer.FromString,
    )
    return await ask(request, timeout=10, metadata=metadata)


@asynccontextmanager
async def election(url: str) -> AsyncIterator[Contender]:
    async with connected(url) as (channel, metadata):
        contender = ElectionService(channel, metadata)
        await contender.open()
        async with beside(contender.keep()):
            yield contender


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    return bytes([*written, number])


def _part(message: bytes, wanted: int) -> bytes:
    """Read a field that is a message, among others of that kind."""
    place = 0
    while place < len(message):
        tag, place = _read(message, place)
        size, place = _read(message, place)
        if tag == wanted << 3 | _LENGTH:
            return message[place : place + size]
        place += size
    raise ValueError("etcd's answer lacks what it should say")


def _read(message: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[place]
        number |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return number, place
