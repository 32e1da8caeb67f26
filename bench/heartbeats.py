"""Heartbeats as fast as they are answered: the gateway against empty handlers.

Closed loop: each stream has one heartbeat in flight. Both servers keep their streams open all the
time and are driven in turn by this one process, so what changes in the machine hits both.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import duration_pb2

from bench.figures import Figure, Goal, Report, of_rounds
from bench.processes import Server, cpu_seconds, floor, gateway
from bench.progress import Progress
from bench.wire import Connection, Stream
from incumbent.v1 import election_service_pb2 as pb

TTL = 600  # seconds: a gateway's streams are silent while the floor is driven
LOADS = ((50, 50), (500, 500), (500, 10))  # streams, connections
RATIO = Goal(70, at_least=True)


@dataclass(frozen=True, slots=True)
class Round:
    """One server driven for a while."""

    rate: float  # heartbeats a second
    server_us: float  # CPU of the server a heartbeat
    client_us: float  # CPU of this process a heartbeat
    server_busy: float  # CPU seconds of the server a second


class Load:
    """Streams that lead on one server, each with a heartbeat in flight while it is driven."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._until = 0.0
        self._connections: list[Connection] = []
        self._streams: list[Stream] = []

    async def open(self, streams: int, connections: int) -> None:
        """Open so many connections and deal the streams out over them."""
        host, _, port = self._server.address.rpartition(":")
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            made = await loop.create_connection(lambda: Connection(self._beating), host, int(port))
            self._connections.append(made[1])
        for number in range(streams):
            connection = self._connections[number % connections]
            self._streams.append(
                connection.enter(_enter(f"bench/{streams}-{connections}/{number:05}"))
            )
        await asyncio.gather(*(stream.leading for stream in self._streams))

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def _beating(self) -> bool:
        return time.monotonic() < self._until

    async def drive(self, seconds: float) -> Round:
        """Send heartbeats as fast as they are answered; wait for the last answers."""
        server, client, began = self._server.cpu(), cpu_seconds(), time.monotonic()
        before = self._answered()
        self._until = began + seconds
        for connection in self._connections:
            connection.send(b"".join(each.beat() for each in connection.streams.values()))
        while any(each.answered < each.sequence for each in self._streams):
            self._check()
            await asyncio.sleep(0.01)
        took, count = time.monotonic() - began, self._answered() - before
        used, mine = self._server.cpu() - server, cpu_seconds() - client
        self._check(final=True)
        return Round(count / took, used / count * 1e6, mine / count * 1e6, used / took)

    def _answered(self) -> int:
        return sum(each.answered for each in self._streams)

    def _check(self, *, final: bool = False) -> None:
        """Whoever was driven leads still; in the end with trust for what it sent last."""
        for each in self._streams:
            if final or each.ended:
                last = pb.CampaignResponse.FromString(each.last)
                if each.ended or last.state != pb.STATE_LEADING or last.sequence < each.sequence:
                    raise RuntimeError(f"the {self._server.name} ended a stream, saying {last}")


def _enter(election: str) -> pb.Enter:
    ttl, credential = duration_pb2.Duration(seconds=TTL), secrets.token_urlsafe(24)
    return pb.Enter(election=election, ttl=ttl, credential=credential)


@asynccontextmanager
async def loaded(server: Server, streams: int, connections: int) -> AsyncIterator[Load]:
    load = Load(server)
    try:
        await load.open(streams, connections)
        yield load
    finally:
        load.close()


async def run(folder: Path, progress: Progress, *, quick: bool) -> Report:
    """Measure 50 and 500 clients, each on a connection of its own, and 500 on 10 connections."""
    rounds, seconds = (15, 0.25) if quick else (41, 0.6)
    figures: list[Figure] = []
    series: dict[str, object] = {"seconds": seconds}
    remarks: list[str] = []
    progress.begin("heartbeats", len(LOADS) * (rounds + 1))
    async with gateway(folder) as real, floor(folder) as bare:
        for streams, connections in LOADS:
            name = f"{streams} streams on {connections} connections"
            at = (streams, connections)
            async with loaded(real, *at) as ours, loaded(bare, *at) as theirs:
                pairs = []
                for number in range(rounds + 1):
                    pair = await ours.drive(seconds), await theirs.drive(seconds)
                    if number:  # the first one only warms up
                        pairs.append(pair)
                    progress.step()
            figures += _figures(f"{streams}/{connections}: ", pairs)
            remarks += _remarks(name, pairs)
            series[name] = pairs
    return Report("heartbeats", figures, series, remarks)


def _figures(name: str, pairs: Sequence[tuple[Round, Round]]) -> list[Figure]:
    ours, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    ratios = [100 * our.rate / their.rate for our, their in pairs]
    return [
        of_rounds(name + "gateway", "heartbeats/s", [each.rate for each in ours]),
        of_rounds(name + "floor", "heartbeats/s", [each.rate for each in theirs]),
        of_rounds(name + "gateway of floor", "%", ratios, RATIO),
        of_rounds(name + "gateway CPU", "µs each", [each.server_us for each in ours]),
        of_rounds(name + "floor CPU", "µs each", [each.server_us for each in theirs]),
        of_rounds(name + "generator CPU", "µs each", [each.client_us for each in ours]),
        of_rounds(name + "gateway busy", "cores", [each.server_busy for each in ours]),
        of_rounds(name + "floor busy", "cores", [each.server_busy for each in theirs]),
    ]


def _remarks(name: str, pairs: Sequence[tuple[Round, Round]]) -> list[str]:
    """Say so when this process, not the server, was what set the floor's pace."""
    starved = [their for _, their in pairs if their.client_us > their.server_us]
    if len(starved) * 2 < len(pairs):
        return []
    return [
        f"{name}: the load generator takes more CPU a heartbeat than the floor and holds it back"
    ]
