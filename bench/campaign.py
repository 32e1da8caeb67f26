"""From `enter` to LEADING on an idle gateway, against the same bid made without a gateway.

In turn, one of each: the gateway, the driver's own acquire on a file with the same settings in
this process, and the floor, whose empty handler answers LEADING at once.
"""

import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from bench.client import Candidate, Stub, connected
from bench.figures import Figure, Goal, Report
from bench.processes import floor, gateway, store_url
from bench.progress import Progress
from bench.stats import median, parts, percentile
from incumbent_backends.api import Backend, Options
from incumbent_backends.registry import open_backend
from incumbent_server.clock import System

ROUNDS = 15
OVERHEAD = Goal(2.0)  # ms above the direct transaction
Times = dict[str, list[float]]


async def run(folder: Path, progress: Progress, *, quick: bool) -> Report:
    """Measure an election that nobody contends, a new one each time."""
    tries = ROUNDS * (10 if quick else 40)
    times: Times = {"gateway": [], "direct": [], "floor": []}
    progress.begin("campaign", tries)
    aside = folder / "direct"
    aside.mkdir()
    options = Options("incumbent", timedelta(seconds=15), System())
    async with (
        gateway(folder) as real,
        floor(folder) as bare,
        connected(real.address) as ours,
        connected(bare.address) as theirs,
        open_backend(store_url(aside), options) as direct,
    ):
        await direct.renew(())
        await _warm_up(ours[0], theirs[0], direct)
        for number in range(tries):
            times["gateway"].append(await _campaign(ours[0], f"bench/campaign/{number}"))
            times["direct"].append(await _acquire(direct, f"bench/campaign/{number}"))
            times["floor"].append(
                await _campaign(theirs[0], f"bench/campaign/{number}", resigns=False)
            )
            progress.step()
            if number % 100 == 99:
                await direct.renew(())  # the session lives; what was released stays gone
    return Report("campaign", _figures(times), {"ms": times, "rounds": ROUNDS})


async def _warm_up(ours: Stub, theirs: Stub, direct: Backend) -> None:
    for number in range(20):
        await _campaign(ours, f"bench/warm/{number}")
        await _campaign(theirs, f"bench/warm/{number}", resigns=False)
        await _acquire(direct, f"bench/warm/{number}")


async def _campaign(stub: Stub, election: str, *, resigns: bool = True) -> float:
    """Milliseconds until LEADING; then leave, so that the server is idle again."""
    began = time.perf_counter()
    candidate = Candidate(stub, election)
    await candidate.lead()
    took = time.perf_counter() - began
    if resigns:
        await candidate.resign()
        await candidate.over()
    else:
        candidate.cancel()
    return took * 1e3


async def _acquire(backend: Backend, election: str) -> float:
    """Milliseconds of the driver's acquire, on its thread as the gateway calls it."""
    began = time.perf_counter()
    won = await backend.acquire(
        election, holder="0" * 64, attempt=1, candidate="bench", value=b"", resume=None
    )
    took = time.perf_counter() - began
    if won.term is None:
        raise RuntimeError(f"nobody contends {election}, and yet it was not won")
    await backend.release(won.term)
    return took * 1e3


def _figures(times: Times) -> list[Figure]:
    figures = []
    for name, values in times.items():
        for percent in (50, 99):
            rounds = [percentile(part, percent) for part in parts(values, ROUNDS)]
            overall = percentile(values, percent)
            figures.append(Figure(f"{name} p{percent}", overall, "ms", min(rounds), max(rounds)))
    figures.append(_above(times["gateway"], times["direct"]))
    return figures


def _above(ours: Sequence[float], direct: Sequence[float]) -> Figure:
    """How much later the gateway's p50 is, with the range of the rounds."""
    pairs = zip(parts(ours, ROUNDS), parts(direct, ROUNDS), strict=True)
    rounds = [median(our) - median(their) for our, their in pairs]
    value = median(ours) - median(direct)
    return Figure("gateway above direct, p50", value, "ms", min(rounds), max(rounds), OVERHEAD)
