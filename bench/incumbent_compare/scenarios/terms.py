"""Thousands of terms held on one gateway: what the store, the memory and the CPU have to do.

KEEP: every client sends heartbeats at the pace that the gateway asks for. Half-closed: nothing is
sent after `enter`; the open stream is the proof of life.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from incumbent_compare import goals
from incumbent_compare.goals import with_goals
from incumbent_compare.processes import Server
from incumbent_compare.results import Quantity, Series, Way
from incumbent_compare.setting import Meter, Setting, singles
from incumbent_compare.streams import Campaign, lead, silent
from incumbent_compare.targets import Count
from incumbent_compare.wire import Connection, connections

CONNECTIONS = 50
SETTLE = 2.0  # seconds after the last one leads


async def waits(setting: Setting) -> list[Series]:
    """Hold them, each number on a gateway of its own."""
    sizes, most = setting.sizes, setting.target.terms
    return [
        await _hold(setting, number, keep=keep)
        for keep, numbers in ((True, sizes.kept), (False, sizes.half_closed))
        for number in dict.fromkeys(min(number, most) for number in numbers)
    ]


@dataclass(slots=True)
class _Held:
    """One value a repetition."""

    lost: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    beats: list[int] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)


async def _hold(setting: Setting, number: int, *, keep: bool) -> Series:
    sizes = setting.sizes
    async with (
        setting.apart(f"{'kept' if keep else 'open'}-{number}") as apart,
        apart.gateways() as (gateway,),
        connections(gateway.address, CONNECTIONS) as made,
    ):
        await _warm_up(made)
        idle = gateway.resident()
        names = [f"terms/{number}/{each}" for each in range(number)]
        pace = _Pace()
        answer = pace.answer if keep else silent
        streams = await lead(made, names, keep=keep, answer=answer)
        await asyncio.sleep(SETTLE if sizes.held > 1 else 0)
        meter = Meter(setting.target, [gateway], setting.shares, each=False)
        held = await _watch(setting, gateway, streams, meter, idle)
        pace.stop()
    title = f"gateway, {number:,} terms, {'heartbeats' if keep else 'half-closed'}"
    measured = list(_quantities(held, number, sizes.held, keep=keep))
    kind = "KEEP" if keep else "RELEASE, half-closed"
    return setting.series(
        "terms",
        Way.GATEWAY,
        title,
        measured,
        meter,
        operation="a heartbeat",
        terms=number,
        kind=kind,
    )


async def _warm_up(made: Sequence[Connection]) -> None:
    """Have the gateway load what it loads for its first streams, on every connection."""
    names = [f"terms/warm/{each}" for each in range(len(made))]
    for stream in await lead(made, names, keep=False):
        stream.cancel()
    await asyncio.sleep(0.5)  # their places are free again: a gateway has as many as are wanted


async def _watch(
    setting: Setting, gateway: Server, streams: list[Campaign], meter: Meter, idle: int
) -> _Held:
    """Look on while they are held."""
    held, seconds = _Held(), setting.sizes.held
    for _ in range(setting.sizes.repetitions):
        before, cpu = sum(each.answered for each in streams), gateway.cpu()
        async with meter.repetition() as this:
            await asyncio.sleep(seconds)
            this.operations = sum(each.answered for each in streams) - before
        held.cpu.append(100 * (gateway.cpu() - cpu) / seconds)
        held.beats.append(this.operations)
        held.lost.append(float(sum(each.ended for each in streams)))
        held.memory.append((gateway.resident() - idle) * 1.024 / len(streams))
        held.counts.append(this.count)
        setting.step()
    return held


class _Pace:
    """Heartbeats when they are due, from the moment at which a candidate leads."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = False

    def answer(self, stream: Campaign) -> bytes:
        due = stream.response().next_heartbeat_in
        self._loop.call_later(due.seconds + due.nanos / 1e9, self._send, stream)
        return b""

    def _send(self, stream: Campaign) -> None:
        if not self._stopped and not stream.ended:
            stream.send(stream.beat())

    def stop(self) -> None:
        self._stopped = True


def _quantities(held: _Held, number: int, seconds: float, *, keep: bool) -> Iterator[Quantity]:
    yield with_goals(singles("terms lost", "terms", held.lost), goals.LOST)
    cpu = singles("CPU of the gateway", "% of a core", held.cpu)
    yield cpu if keep else with_goals(cpu, goals.HELD_CPU)
    memory = singles("resident memory of the gateway", "kB a term", held.memory)
    yield with_goals(memory, goals.HELD_MEMORY)
    if keep:
        # Renewals are seconds apart, so that a repetition may see none: one value for all.
        writes = sum(each.writes for each in held.counts) / max(1, sum(held.beats))
        each = singles("writes at the store a heartbeat", "an operation", [writes])
        yield with_goals(each, goals.writes_a_heartbeat(number))
    minute = 60 / seconds
    yield singles("writes", "a minute", [each.writes * minute for each in held.counts])
    sizes = [each.log_bytes for each in held.counts if each.log_bytes is not None]
    if sizes:
        yield singles("log of the store", "kB a minute", [s * minute / 1e3 for s in sizes])
