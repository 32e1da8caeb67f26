"""Elections in which nothing happens: a leader and two who wait in each, all half-closed."""

import asyncio

from incumbent.v1 import election_service_pb2 as pb
from incumbent_compare import goals
from incumbent_compare.goals import with_goals
from incumbent_compare.results import Series, Way
from incumbent_compare.setting import Meter, Setting, singles
from incumbent_compare.streams import candidates, lead
from incumbent_compare.wire import connections

CONNECTIONS = 50
SETTLE = 2.0  # seconds after the last one waits


async def waits(setting: Setting) -> list[Series]:
    """Look on while nothing happens."""
    sizes, target = setting.sizes, setting.target
    number = min(sizes.idle, target.terms)
    cpu: list[float] = []
    writes: list[float] = []
    log: list[float] = []
    async with (
        setting.gateways() as (gateway,),
        connections(gateway.address, min(CONNECTIONS, number)) as made,
    ):
        names = [f"idle/{each}" for each in range(number)]
        streams = await lead(made, names, keep=False)
        for _ in range(2):
            streams += await candidates(made, names, pb.STATE_WAITING)
        await asyncio.sleep(SETTLE if sizes.idled > 1 else 0)
        meter = Meter(target, [gateway], setting.shares, each=False)  # an operation is a second
        for _ in range(sizes.repetitions):
            before = gateway.cpu()
            async with meter.repetition(round(sizes.idled)) as this:
                await asyncio.sleep(sizes.idled)
            cpu.append(100 * (gateway.cpu() - before) / sizes.idled)
            writes.append(this.count.writes / sizes.idled)
            if this.count.log_bytes is not None:
                log.append(this.count.log_bytes * 60 / 1e3 / sizes.idled)
            setting.step()
        lost = float(sum(stream.ended for stream in streams))
    each_second = singles("writes at the store in a second", "a second", writes)
    measured = [
        with_goals(singles("CPU of the gateway", "% of a core", cpu), goals.IDLE_CPU),
        with_goals(each_second, goals.IDLE_WRITES),
        with_goals(singles("candidates lost", "candidates", [lost]), goals.LOST),
    ]
    if log:
        measured.append(singles("log of the store", "kB a minute", log))
    title = f"gateway, {number:,} elections with 3 candidates each"
    return [
        setting.series(
            "idle", Way.GATEWAY, title, measured, meter, operation="a second", elections=number
        )
    ]
