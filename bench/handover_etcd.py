"""Hand-over on etcd: two gateways, and etcd's own Election service on the same server."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc

from bench.figures import Goal, Report
from bench.handover import POLITE, between_two, figures
from bench.progress import Progress
from incumbent_backends import etcd_pb2 as pb
from tests.servers import etcd

LENGTH, NUMBER = 2, 0  # kinds of fields on protobuf's wire
TTL = 60  # seconds of the leases that etcd's own candidates have


async def run(folder: Path, progress: Progress, *, quick: bool) -> Report:
    """The gateways' turns, then those of etcd's own service."""
    turns = 45 if quick else 210
    progress.begin("handover-etcd", 2 * turns)
    with etcd(memory=False) as server:
        ours = await between_two(folder, server.url(), turns, progress)
        theirs = await _election_service(server.address, turns, progress)
    found = [
        *figures("resign, two gateways on etcd://", ours, Goal(10)),
        *figures("resign, etcd's own Election service", theirs),
    ]
    return Report("handover-etcd", found, {"ms": {"two gateways": ours, "Election": theirs}})


async def _election_service(address: str, turns: int, progress: Progress) -> list[float]:
    """The leader resigns, the other one, whose Campaign waits, takes over."""
    times = []
    async with grpc.aio.insecure_channel(address) as one, grpc.aio.insecure_channel(address) as two:
        both = [await _Candidate.on(one), await _Candidate.on(two)]
        key = await both[0].campaign()
        for turn in range(turns):
            leader, waiting = both[turn % 2], both[(turn + 1) % 2]
            campaign = asyncio.ensure_future(waiting.campaign())
            await asyncio.sleep(POLITE)
            began = time.perf_counter()
            await leader.resign(key)
            key = await campaign
            times.append((time.perf_counter() - began) * 1e3)
            progress.step()
    return times


class _Candidate:
    """One of etcd's own: its lease, and the two calls, whose messages are written by hand."""

    def __init__(self, channel: grpc.aio.Channel, lease: int) -> None:
        self._lease = lease
        self._campaign = _bare(channel, "/v3electionpb.Election/Campaign")
        self._resign = _bare(channel, "/v3electionpb.Election/Resign")

    @classmethod
    async def on(cls, channel: grpc.aio.Channel) -> "_Candidate":
        grant = channel.unary_unary(
            "/etcdserverpb.Lease/LeaseGrant",
            request_serializer=pb.LeaseGrantRequest.SerializeToString,
            response_deserializer=pb.LeaseGrantResponse.FromString,
        )
        return cls(channel, (await grant(pb.LeaseGrantRequest(TTL=TTL))).ID)

    async def campaign(self) -> bytes:
        """Wait until it leads; return the LeaderKey, the answer's second field."""
        name = _field(1, b"bench") + _varint(2 << 3 | NUMBER) + _varint(self._lease)
        answer = await self._campaign(name + _field(3, b"value"))
        header_size = answer[1]  # the first field, shorter than 128 bytes
        at = 2 + header_size
        assert (answer[0], answer[at]) == (1 << 3 | LENGTH, 2 << 3 | LENGTH)
        assert answer[at + 1] < 128
        return bytes(answer[at + 2 : at + 2 + answer[at + 1]])

    async def resign(self, key: bytes) -> None:
        await self._resign(_field(1, key))


def _bare(channel: grpc.aio.Channel, path: str) -> Callable[[bytes], Awaitable[bytes]]:
    ask: Callable[[bytes], Awaitable[bytes]] = channel.unary_unary(path, bytes, bytes)
    return ask


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | LENGTH) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    return bytes([*written, number])
