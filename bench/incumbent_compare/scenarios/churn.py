"""Streams that come and go: whether memory comes back, and whose it is that does not.

Observe streams are opened, read up to `synced` and cancelled; then Campaign streams enter, lead and
are cancelled, which under RELEASE ends the term. The floor gets the same streams: what grows there
too is gRPC's (its issues 43360 and 43462), what grows here only is ours.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from statistics import linear_regression

from incumbent.v1 import election_service_pb2 as pb
from incumbent_compare.client import Candidate, Stub, connected
from incumbent_compare.processes import Server
from incumbent_compare.results import Series, Way
from incumbent_compare.setting import Setting, quantity

CONNECTIONS = 4
AT_ONCE = 40
READINGS = 10
SETTLE = 0.4  # seconds before memory is read
FEW = 100  # streams, after which nothing needs to settle
Visit = Callable[[Stub, int], Awaitable[None]]


async def run(setting: Setting) -> list[Series]:
    """Both kinds, on the gateway and on the floor."""
    total, found = setting.sizes.churned, []
    async with setting.gateways() as (real,), setting.floor() as bare:
        for server, way, title in ((real, Way.GATEWAY, "gateway"), (bare, Way.FLOOR, "floor")):
            measured = []
            for kind, visit, count in (
                ("Observe", _observe, total),
                ("Campaign", _enter, total // 5),
            ):
                points = await _churn(server, visit, max(READINGS, count), setting.step)
                grown = linear_regression(*zip(*points, strict=True)).slope * 1024
                name = f"{kind} streams, opened and cancelled: growth"
                measured.append(quantity(name, "bytes a stream", [[grown]]))
                memory = [[kb * 1.024e-3] for _, kb in points]
                measured.append(quantity(f"{kind} streams: resident memory", "MB", memory))
            found.append(setting.series("churn", way, title, measured, streams=total))
    return found


async def _churn(
    server: Server, visit: Visit, total: int, step: Callable[[], None]
) -> list[tuple[int, int]]:
    """Let `total` streams come and go; read the memory on the way: streams so far, kB."""
    points, part = [], total // READINGS
    async with connected(server.address, CONNECTIONS) as stubs:
        await _batch(stubs, visit, 0, part)  # fills pools and caches; not counted
        for start in range(part, total + 1, part):
            await asyncio.sleep(SETTLE if total > FEW else 0)
            points.append((start, server.resident()))
            if start < total:
                await _batch(stubs, visit, start, start + part)
        step()
    return points


async def _batch(stubs: Sequence[Stub], visit: Visit, start: int, end: int) -> None:
    numbers = iter(range(start, end))

    async def visitor() -> None:
        for number in numbers:
            await visit(stubs[number % len(stubs)], number)

    await asyncio.gather(*(visitor() for _ in range(AT_ONCE)))


async def _observe(stub: Stub, number: int) -> None:
    call = stub.Observe(pb.ObserveRequest(election=f"churn/{number % 1000}"))
    while not (await call.read()).synced:
        pass
    call.cancel()


async def _enter(stub: Stub, number: int) -> None:
    candidate = Candidate(stub, f"churn/{number}")
    await candidate.lead()
    candidate.cancel()
