"""Streams that come and go: whether memory comes back, and whose it is that does not.

Observe streams are opened, read up to `synced` and cancelled; then Campaign streams enter, lead and
are cancelled, which under RELEASE ends the term. The floor gets the same streams: what grows there
too is gRPC's (its issues 43360 and 43462), what grows here only is ours.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from bench.client import Candidate, Stub, connected
from bench.figures import Figure, Goal, Report
from bench.processes import Server, floor, gateway
from bench.progress import Progress
from bench.stats import slope
from incumbent.v1 import election_service_pb2 as pb

CONNECTIONS = 4
AT_ONCE = 40
SETTLE = 0.4  # seconds before memory is read
# Bytes an Observe stream above the floor's own: 10 MB in 100,000. Not judged in a quick run:
# at this bound its streams come to 0.3 MB, about what an allocator takes in one step.
GROWTH = Goal(100)
Points = list[tuple[int, int]]  # streams so far, resident kB
Visit = Callable[[Stub, int], Awaitable[None]]


async def run(folder: Path, progress: Progress, *, quick: bool) -> Report:
    """Measure both kinds, on the gateway and on the floor."""
    observes, campaigns = (3_000, 1_000) if quick else (100_000, 20_000)
    progress.begin("churn", 2 * (observes + campaigns))
    figures: list[Figure] = []
    series: dict[str, object] = {}
    async with gateway(folder) as real, floor(folder) as bare:
        for kind, visit, total in (
            ("Observe", _observe, observes),
            ("Campaign", _enter, campaigns),
        ):
            ours = await _churn(real, visit, total, progress)
            theirs = await _churn(bare, visit, total, progress)
            series[kind] = {"gateway": ours, "floor": theirs}
            goal = GROWTH if kind == "Observe" and not quick else None
            figures += _figures(kind, total, ours, theirs, goal)
    remarks = ["quick: too few streams to judge the goal of the full run"] if quick else []
    points = {"points are": "streams, resident kB", **series}
    return Report("observe-churn", figures, points, remarks)


async def _churn(server: Server, visit: Visit, total: int, progress: Progress) -> Points:
    """Let `total` streams come and go; read the memory ten times on the way."""
    points: Points = []
    async with connected(server.address, CONNECTIONS) as stubs:
        await _batch(stubs, visit, 0, total // 10)  # fills pools and caches; not counted
        progress.step(total // 10)
        for start in range(total // 10, total + 1, total // 10):
            await asyncio.sleep(SETTLE)
            points.append((start, server.resident()))
            if start < total:
                await _batch(stubs, visit, start, start + total // 10)
                progress.step(total // 10)
    return points


async def _batch(stubs: Sequence[Stub], visit: Visit, start: int, end: int) -> None:
    numbers = iter(range(start, end))

    async def visitor() -> None:
        for number in numbers:
            await visit(stubs[number % len(stubs)], number)

    await asyncio.gather(*(visitor() for _ in range(AT_ONCE)))


async def _observe(stub: Stub, number: int) -> None:
    call = stub.Observe(pb.ObserveRequest(election=f"bench/churn/{number % 1000}"))
    while not (await call.read()).synced:
        pass
    call.cancel()


async def _enter(stub: Stub, number: int) -> None:
    candidate = Candidate(stub, f"bench/churn/{number}")
    await candidate.lead()
    candidate.cancel()


def _figures(
    kind: str, total: int, ours: Points, theirs: Points, goal: Goal | None
) -> list[Figure]:
    grown, bare = (1024 * slope(points) for points in (ours, theirs))
    name = f"{kind}, {total:,} opened and cancelled: "
    return [
        Figure(name + "gateway grows", grown, "bytes each", ours[0][1], ours[-1][1]),
        Figure(name + "floor grows", bare, "bytes each", theirs[0][1], theirs[-1][1]),
        Figure(name + "above the floor", grown - bare, "bytes each", goal=goal),
    ]
