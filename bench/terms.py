"""Thousands of terms held on one gateway: what the store, the memory and the CPU have to do.

Two gateways, one after the other. KEEP: every client sends heartbeats at the pace that the gateway
asks for. RELEASE: every stream was half-closed after `enter`; the open stream is the proof of life.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.client import Candidate, Stub, connected
from bench.figures import Figure, Goal, Report
from bench.processes import Server, gateway
from bench.progress import Progress

CONNECTIONS = 50
AT_ONCE = 50  # streams that are being opened
STATEMENTS = Goal(2)
MEMORY = Goal(60)
RENEWAL = "writes: UPDATE incumbent_session SET renewals = renewals"


@dataclass(frozen=True, slots=True)
class Held:
    """What a gateway did while it held its terms."""

    terms: int
    idle_kb: int  # resident before the first term
    held_kb: int  # and at the end
    seconds: float
    cpu: float  # seconds of CPU
    opening: float  # seconds from the first enter to the last LEADING
    ticks: int
    statements: dict[str, int]

    def of(self, role: str) -> int:
        return sum(n for sql, n in self.statements.items() if sql.startswith(f"{role}: "))


async def run(folder: Path, progress: Progress, *, quick: bool) -> Report:
    """Hold them for some ticks, a third of the backend ttl each."""
    terms, hold, ttl = (1_000, 6.5, "6s") if quick else (5_000, 61.0, "15s")
    progress.begin("terms", 2 * (terms + 100))
    held = {}
    for kind in ("KEEP", "RELEASE"):
        place = folder / kind
        place.mkdir()
        async with (
            gateway(place, ttl=ttl, traced=True) as server,
            connected(server.address, CONNECTIONS) as stubs,
        ):
            held[kind] = await _hold(server, stubs, terms, hold, progress, kind == "KEEP")
            progress.step(100)
    figures = [figure for kind, each in held.items() for figure in _figures(kind, each)]
    settings = {"connections": CONNECTIONS, "backend ttl": ttl}
    return Report("terms", figures, {**settings, **held})


async def _hold(
    server: Server,
    stubs: Sequence[Stub],
    terms: int,
    seconds: float,
    progress: Progress,
    keep: bool,
) -> Held:
    await _one_passing(stubs)
    idle = server.resident()
    began = time.monotonic()
    gate, opened = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(0)

    async def hold(number: int) -> None:
        async with gate:
            candidate = Candidate(stubs[number % len(stubs)], f"bench/{number}", keep=keep)
            await candidate.lead()
        opened.release()
        progress.step()
        await (_heartbeats(candidate) if keep else _stay(candidate))

    async with asyncio.TaskGroup() as group:  # a term that is lost on the way ends it all
        holders = [group.create_task(hold(number)) for number in range(terms)]
        for _ in holders:
            await opened.acquire()
        opening = time.monotonic() - began
        await asyncio.sleep(2.0)
        held = await _observe(server, terms, seconds, idle, opening)
        for holder in holders:
            holder.cancel()
    return held


async def _observe(
    server: Server, terms: int, seconds: float, idle_kb: int, opening: float
) -> Held:
    before, cpu, began = Counter(server.ask()), server.cpu(), time.monotonic()
    await asyncio.sleep(seconds)
    cpu, took = server.cpu() - cpu, time.monotonic() - began
    statements = Counter(server.ask())
    statements.subtract(before)
    ran = {sql: count for sql, count in sorted(statements.items()) if count}
    ticks = sum(count for sql, count in ran.items() if sql.startswith(RENEWAL))
    return Held(terms, idle_kb, server.resident(), took, cpu, opening, ticks, ran)


async def _one_passing(stubs: Sequence[Stub]) -> None:
    """Load what every gateway loads at its first stream, on every connection."""
    for number, stub in enumerate(stubs):
        candidate = Candidate(stub, f"bench/passing/{number}")
        await candidate.lead()
        await candidate.resign()
        await candidate.over()


async def _stay(candidate: Candidate) -> None:
    await candidate.half_close()
    while True:
        await candidate.read()


async def _heartbeats(candidate: Candidate) -> None:
    response = await candidate.heartbeat()
    while True:
        pace = response.next_heartbeat_in
        await asyncio.sleep(pace.seconds + pace.nanos / 1e9)
        response = await candidate.heartbeat()


def _figures(kind: str, held: Held) -> list[Figure]:
    polls = sum(n for sql, n in held.statements.items() if "PRAGMA data_version" in sql)
    looks = held.of("watch") - polls
    each_kb = (held.held_kb - held.idle_kb) / held.terms
    ticks = max(1, held.ticks)
    name = f"{kind}, {held.terms} terms: "
    writes = held.of("writes") / ticks
    return [
        Figure(name + "statements of the session", writes, "a tick", goal=STATEMENTS),
        Figure(name + "statements of reads", held.of("reads") / ticks, "a tick"),
        Figure(name + "statements of the watch", looks / ticks, "a tick"),
        Figure(name + "polls of data_version", polls / held.seconds, "a second"),
        Figure(name + "resident", each_kb, "kB a term", goal=MEMORY),
        Figure(name + "gateway CPU", 100 * held.cpu / held.seconds, "% of a core"),
        Figure(name + "all opened in", held.opening, "s"),
    ]
