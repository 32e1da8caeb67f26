"""Heartbeats as fast as they are answered: the gateway against empty handlers.

Closed loop: each stream has one heartbeat in flight. Both servers keep their streams open all the
time and are driven in turn by this one process, so what changes in the machine hits both. Beside
them what a direct client does to say that it still leads.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from incumbent.v1 import election_service_pb2 as pb
from incumbent_compare.contender import Contender, Peer
from incumbent_compare.goals import OF_THE_FLOOR, with_goals
from incumbent_compare.processes import Server
from incumbent_compare.results import Series, Way
from incumbent_compare.setting import Meter, Setting, opened, singles
from incumbent_compare.streams import Campaign, lead
from incumbent_compare.wire import connections

TTL = 600  # seconds: a gateway's streams are silent while the floor is driven
CLIENTS = 20  # direct clients, each with a connection and an election
RATE, CPU, CLIENT = "heartbeats answered", "CPU of the server", "CPU of the load generator"


@dataclass(slots=True)
class _Figures:
    """One value a repetition."""

    rates: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    client: list[float] = field(default_factory=list)

    def add(self, count: int, took: float, server: float, client: float) -> None:
        self.rates.append(count / took)
        self.server.append(server / count * 1e6)
        self.client.append(client / count * 1e6)


class _Load:
    """Streams that lead on one server, each with a heartbeat in flight while it is driven."""

    def __init__(self, server: Server, streams: list[Campaign]) -> None:
        self._server, self._streams = server, streams
        self._until = 0.0
        self.figures = _Figures()
        for stream in streams:
            stream.answer = self._answer

    def _answer(self, stream: Campaign) -> bytes:
        return stream.beat() if time.monotonic() < self._until else b""

    async def drive(self, seconds: float) -> int:
        """Send heartbeats as fast as they are answered; wait for the last answers."""
        server, client, began = self._server.cpu(), time.process_time(), time.monotonic()
        before = self._answered()
        self._until = began + seconds
        for stream in self._streams:
            stream.send(stream.beat())
        while any(each.answered < each.sequence for each in self._streams):
            self._check()
            await asyncio.sleep(0.005)
        took, count = time.monotonic() - began, self._answered() - before
        self._check(last=True)
        used = self._server.cpu() - server, time.process_time() - client
        self.figures.add(count, took, *used)
        return count

    def _answered(self) -> int:
        return sum(each.answered for each in self._streams)

    def _check(self, *, last: bool = False) -> None:
        """Whoever was driven leads still; in the end with trust for what it sent last."""
        for each in self._streams:
            if last or each.ended:
                told = each.response()
                if each.ended or told.state != pb.STATE_LEADING or told.sequence < each.sequence:
                    raise RuntimeError(f"the {self._server.name} ended a stream, saying {told}")


@asynccontextmanager
async def _loaded(server: Server, streams: int, number: int) -> AsyncIterator[_Load]:
    async with connections(server.address, number) as made:
        names = [f"heartbeats/{streams}-{number}/{each:05}" for each in range(streams)]
        yield _Load(server, await lead(made, names, keep=True, ttl=TTL))


async def run(setting: Setting) -> list[Series]:
    """Drive the gateway and the floor under each load, then the direct clients."""
    found = []
    async with setting.gateways() as (real,), setting.floor() as bare:
        for streams, number in setting.sizes.loads:
            found += await _compare(setting, real, bare, streams, number)
    for peer in setting.target.peers:
        if peer.renews and peer.elects:
            found.append(await _direct(setting, peer))
    return found


async def _compare(
    setting: Setting, real: Server, bare: Server, streams: int, number: int
) -> list[Series]:
    sizes, meters = setting.sizes, [Meter(setting.target, [each]) for each in (real, bare)]
    async with _loaded(real, streams, number) as ours, _loaded(bare, streams, number) as theirs:
        loads = (ours, theirs)
        for load in loads:
            await load.drive(sizes.driven)  # only warms up
            load.figures = _Figures()
        for _ in range(sizes.repetitions):
            for load, meter in zip(loads, meters, strict=True):
                async with meter.repetition() as this:
                    this.operations = await load.drive(sizes.driven)
                setting.step()
    suffix = "" if (streams, number) == (500, 500) else f", {streams} streams on {number}"
    names = ((Way.GATEWAY, f"gateway{suffix}"), (Way.FLOOR, f"floor{suffix}"))
    return [
        _series(setting, way, title, load.figures, meter, streams, number)
        for (way, title), load, meter in zip(names, loads, meters, strict=True)
    ]


def _series(
    setting: Setting,
    way: Way,
    title: str,
    figures: _Figures,
    meter: Meter,
    streams: int,
    number: int,
) -> Series:
    rate = singles(RATE, "a second", figures.rates)
    if way is Way.GATEWAY:
        rate = with_goals(
            rate, OF_THE_FLOOR.model_copy(update={"over": title.replace("gateway", "floor")})
        )
    measured = [
        rate,
        singles(CPU, "µs each", figures.server),
        singles(CLIENT, "µs each", figures.client),
    ]
    return setting.series(
        "heartbeats", way, title, measured, meter, streams=streams, connections=number
    )


async def _direct(setting: Setting, peer: Peer) -> Series:
    """Clients that each renew what they lead, as fast as the store answers."""
    sizes, meter, figures = setting.sizes, Meter(setting.target), _Figures()
    number = min(CLIENTS, sizes.loads[0][0])
    async with opened(*[peer.open] * number) as clients:
        await asyncio.gather(*(c.campaign(f"heartbeats/direct/{n}") for n, c in enumerate(clients)))
        for _ in range(sizes.repetitions):
            async with meter.repetition() as this:
                this.operations, took, used = await _renewals(clients, sizes.driven)
            figures.add(this.operations, took, 0.0, used)
            setting.step()
        await asyncio.gather(*(c.resign(f"heartbeats/direct/{n}") for n, c in enumerate(clients)))
    measured = [
        singles(RATE, "a second", figures.rates),
        singles(CLIENT, "µs each", figures.client),
    ]
    return setting.series(
        "heartbeats", Way.DIRECT, peer.title, measured, meter, clients=number, heartbeat=peer.renews
    )


async def _renewals(clients: list[Contender], seconds: float) -> tuple[int, float, float]:
    """How many in how long, and the CPU of this process."""
    began, used, done = time.monotonic(), time.process_time(), 0

    async def renew(number: int, client: Contender) -> None:
        nonlocal done
        while time.monotonic() < began + seconds:
            await client.renew(f"heartbeats/direct/{number}")
            done += 1

    await asyncio.gather(*(renew(number, client) for number, client in enumerate(clients)))
    return done, time.monotonic() - began, time.process_time() - used
