"""Many leaders die at one time, and as many wait: the process that leads them all is killed."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from incumbent.v1 import election_service_pb2 as pb
from incumbent_compare.contender import Contender
from incumbent_compare.doomed import doomed
from incumbent_compare.results import Series, Way
from incumbent_compare.setting import Meter, Setting, quantity
from incumbent_compare.streams import Campaign, candidates, lead, silent
from incumbent_compare.wire import Connection, connections

CONNECTIONS = 20
OPERATION = "a leader dies and another one leads"
PATIENCE = 60.0  # seconds until all have a successor


class _Crowd(Contender):
    """Leads as many elections as it is told to, each on a stream of its own, RELEASE."""

    def __init__(self, made: Sequence[Connection], number: int) -> None:
        self._made, self._number = made, number

    async def campaign(self, election: str) -> None:
        """Lead all that begin with this name."""
        names = [f"{election}/{each}" for each in range(self._number)]
        await lead(self._made, names, keep=False)

    async def resign(self, election: str) -> None:
        """It dies."""


@asynccontextmanager
async def _crowd(address: str, number: int) -> AsyncIterator[Contender]:
    async with connections(address, min(CONNECTIONS, number)) as made:
        yield _Crowd(made, number)


async def run(setting: Setting) -> list[Series]:
    """Kill them and wait until the last one has a successor."""
    sizes, target = setting.sizes, setting.target
    number = min(sizes.crowd, target.terms)
    all_of_them: list[list[float]] = []
    last: list[list[float]] = []
    async with setting.gateways() as (gateway,):
        meter = Meter(target, [gateway])
        for repetition in range(sizes.repetitions):
            name = f"crowd/{repetition}"
            opener = partial(_crowd, gateway.address, number)
            async with (
                doomed(opener, [name]) as leaders,
                connections(gateway.address, min(CONNECTIONS, number)) as made,
            ):
                names = [f"{name}/{each}" for each in range(number)]
                waiting = await candidates(made, names, pb.STATE_WAITING)
                async with meter.repetition(number):
                    times = _times(waiting)
                    began = time.perf_counter()
                    leaders.kill()
                    async with asyncio.timeout(PATIENCE):
                        led = await times
            all_of_them.append([(at - began) * 1e3 for at in led])
            last.append([max(all_of_them[-1])])
            setting.step()
    measured = [
        quantity("kill -9 to LEADING", "ms", all_of_them),
        quantity("kill -9 to the last LEADING", "ms", last),
    ]
    title = f"gateway, {number:,} leaders die and {number:,} wait"
    return [
        setting.series(
            "crowd", Way.GATEWAY, title, measured, meter, operation=OPERATION, elections=number
        )
    ]


def _times(waiting: list[Campaign]) -> asyncio.Future[list[float]]:
    """The moments at which they lead, once all do."""
    led: list[float] = []
    done: asyncio.Future[list[float]] = asyncio.get_running_loop().create_future()

    def answer(stream: Campaign) -> bytes:
        if stream.response().state == pb.STATE_LEADING:
            stream.answer = silent  # it may be told more than once
            led.append(time.perf_counter())
            if len(led) == len(waiting):
                done.set_result(led)
        return b""

    for stream in waiting:
        stream.answer = answer
    return done
