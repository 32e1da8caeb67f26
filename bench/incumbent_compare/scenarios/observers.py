"""Observers of one election: how long until the last of them knows its new leader."""

import asyncio
import time
from statistics import median

from incumbent.v1 import election_service_pb2 as pb
from incumbent_compare import goals
from incumbent_compare.client import connected
from incumbent_compare.contender import ThroughGateway
from incumbent_compare.goals import with_goals
from incumbent_compare.processes import Server
from incumbent_compare.results import Series, Way
from incumbent_compare.setting import Meter, Setting, quantity, singles
from incumbent_compare.streams import Observation, open_all
from incumbent_compare.wire import connections

CONNECTIONS = 50
PATIENCE = 30.0  # seconds until all have been told
ELECTION = "observers/one"
OPERATION = "a vacancy and a new leader, told to all"


async def run(setting: Setting) -> list[Series]:
    """Each number of observers on one gateway, one after the other."""
    async with setting.gateways() as (gateway,):
        return [await _observed(setting, gateway, number) for number in setting.sizes.observers]


class _Audience:
    """All observers; they say when each of them was told of the change that is expected."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._vacant = False  # what is expected: a vacancy, or a leader
        self._last = 0  # the newest token that all have been told of
        self._at: dict[int, float] = {}
        self._all = asyncio.Event()

    def observer(self, number: int) -> Observation:
        return Observation(lambda token: self._told(number, token))

    def _told(self, number: int, token: int | None) -> None:
        if self._vacant if token is None else not self._vacant and token > self._last:
            self._at.setdefault(number, time.perf_counter())
            if len(self._at) == self._number:
                self._last = max(self._last, token or 0)
                self._all.set()

    async def told(self) -> list[float]:
        """The moments at which they heard of it, once all have; then the opposite is expected."""
        async with asyncio.timeout(PATIENCE):
            await self._all.wait()
        at = list(self._at.values())
        self._all.clear()
        self._at.clear()
        self._vacant = not self._vacant
        return at


async def _observed(setting: Setting, gateway: Server, number: int) -> Series:
    sizes, target = setting.sizes, setting.target
    audience, meter = _Audience(number), Meter(target, [gateway])
    async with (
        connected(gateway.address) as (stub,),
        connections(gateway.address, min(CONNECTIONS, number)) as made,
    ):
        leader = ThroughGateway(stub)
        await leader.campaign(ELECTION)
        idle, watches = gateway.resident(), await target.watches()
        request = pb.ObserveRequest(election=ELECTION)
        observers = ((audience.observer(each), request) for each in range(number))
        await open_all(made, observers, half_close=True)
        await audience.told()
        memory = (gateway.resident() - idle) * 1.024 / number
        further = await target.watches()
        last: list[list[float]] = []
        half: list[list[float]] = []
        for _ in range(sizes.repetitions):
            async with meter.repetition(sizes.changes):
                changes = [await _change(leader, audience) for _ in range(sizes.changes)]
            last.append([max(change) for change in changes])
            half.append([median(change) for change in changes])
            setting.step()
        await leader.resign(ELECTION)
    found = [
        with_goals(quantity("change to the last receiver", "ms", last), goals.RECEIVED),
        quantity("change to half of the receivers", "ms", half),
    ]
    if number >= 100:
        each = singles("resident memory of the gateway", "kB a stream", [memory])
        found.append(with_goals(each, goals.HELD_MEMORY))
    if watches is not None and further is not None:
        more = singles("further watches or connections at the store", "in all", [further - watches])
        found.append(with_goals(more, goals.LOST))
    title = f"gateway, {number:,} observer{'s' if number > 1 else ''}"
    return setting.series(
        "observers", Way.GATEWAY, title, found, meter, operation=OPERATION, observers=number
    )


async def _change(leader: ThroughGateway, audience: _Audience) -> list[float]:
    """A leader comes, once all know of the vacancy: milliseconds until each observer knew it."""
    await leader.resign(ELECTION)
    await audience.told()
    began = time.perf_counter()
    await leader.campaign(ELECTION)
    return [(at - began) * 1e3 for at in await audience.told()]
