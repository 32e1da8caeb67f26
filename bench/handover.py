"""How long an election is without a leader: after a resign, and after the leader was killed.

Resign → LEADING counts from the moment at which the leader hands its `resign` to gRPC until the
waiting one has read LEADING; kill → LEADING from the kill -9. Both ends are read in this process.
"""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import aiohttp

from bench.client import Candidate, Stub, connected
from bench.figures import Figure, Goal, Report
from bench.processes import gateway
from bench.progress import Progress
from bench.stats import parts, percentile
from incumbent.v1 import election_service_pb2 as pb
from tests.servers import Consul, consul, postgres

ROUNDS = 15
POLITE = 0.1  # seconds: a gateway that ended a term holds back for 50 ms at most


async def run(folder: Path, progress: Progress, *, quick: bool) -> Report:
    """Hand over on one gateway, between two on one file, and after a kill."""
    turns, kills = (45, 5) if quick else (210, 20)
    progress.begin("handover", 2 * turns + kills)
    async with (
        gateway(folder, "one") as one,
        gateway(folder, "two") as two,
        connected(one.address, 2) as first,
        connected(two.address) as second,
    ):
        here = await hand_over([first[0], first[1]], "bench/here", turns, progress)
        there = await hand_over([first[0], second[0]], "bench/there", turns, progress)
        killed = await _fail_over(first[0], one.address, kills, progress)
    times = {"same gateway": here, "two gateways": there, "kill -9": killed}
    found = [
        *figures("resign, same gateway", here),
        *figures("resign, two gateways", there),
        *figures("kill -9 of a RELEASE client", killed),
    ]
    return Report("handover", found, {"ms": times})


async def run_postgres(folder: Path, progress: Progress, *, quick: bool) -> Report:
    """Hand over between two gateways on a PostgreSQL that is started for it: on lease rows."""
    return await _on_postgres("handover-postgres", "postgres://", folder, progress, quick=quick)


async def run_advisory(folder: Path, progress: Progress, *, quick: bool) -> Report:
    """The same on its advisory locks."""
    scheme = "postgres+advisory://"
    return await _on_postgres("handover-advisory", scheme, folder, progress, quick=quick)


async def run_consul(folder: Path, progress: Progress, *, quick: bool) -> Report:
    """Hand over between two gateways on a Consul, and beside it by Consul's own session lock.

    That one in turn with the gateways: with the session as Consul makes it, and without lock-delay.
    """
    turns = 15 if quick else 105
    own = max(3, turns // 35)  # a lock-delay takes 15 s each time
    progress.begin("handover-consul", 2 * turns + own)
    with consul(data=True) as server:
        times = await between_two(folder, server.url(), turns, progress)
        bare = await _session_lock(server, {"LockDelay": "0s"}, turns, progress)
        usual = await _session_lock(server, {}, own, progress)
    found = [
        *figures("resign, two gateways on consul://", times, Goal(50)),
        *figures("session lock, lock-delay 0: destroy", bare),
        *figures("session lock as Consul makes it: destroy", usual),
    ]
    named = {"two gateways": times, "session lock, lock-delay 0": bare, "session lock": usual}
    return Report("handover-consul", found, {"ms": named})


async def _session_lock(
    server: Consul, settings: dict[str, str], turns: int, progress: Progress
) -> list[float]:
    """Its holder dies (the session is destroyed), who waits by a blocking query acquires it."""
    times = []
    async with aiohttp.ClientSession(f"http://{server.address}") as client:

        async def session() -> str:
            async with client.put("/v1/session/create", json=settings) as answer:
                return str((await answer.json())["ID"])

        async def acquire(by: str) -> bool:
            async with client.put("/v1/kv/bench/lock", params={"acquire": by}) as answer:
                return bool(await answer.json())

        async def freed() -> None:
            index = "0"
            while True:
                query = {"index": index, "wait": "30s"}
                async with client.get("/v1/kv/bench/lock", params=query) as answer:
                    index = answer.headers["X-Consul-Index"]
                    (pair,) = await answer.json()
                if not pair.get("Session"):
                    return

        async def succeed(by: str) -> None:
            """As Consul's guide has it: wait, try, and where a lock-delay is met, try again."""
            await freed()
            while not await acquire(by):
                await asyncio.sleep(0.01)

        holder = await session()
        while not await acquire(holder):
            await asyncio.sleep(0.1)
        for _ in range(turns):
            following = await session()
            waiting = asyncio.create_task(succeed(following))
            await asyncio.sleep(POLITE)
            began = time.perf_counter()
            async with client.put(f"/v1/session/destroy/{holder}") as answer:
                await answer.read()
            await waiting
            times.append((time.perf_counter() - began) * 1e3)
            holder = following
            progress.step()
        async with client.put(f"/v1/session/destroy/{holder}") as answer:
            await answer.read()
    return times


async def _on_postgres(
    name: str, scheme: str, folder: Path, progress: Progress, *, quick: bool
) -> Report:
    turns = 45 if quick else 210
    progress.begin(name, turns)
    with postgres(memory=False) as server:
        store = server.url().replace("postgres://", scheme, 1)
        times = await between_two(folder, store, turns, progress)
    found = figures(f"resign, two gateways on {scheme}", times, Goal(10))
    return Report(name, found, {"ms": {"two gateways": times}})


async def between_two(folder: Path, store: str, turns: int, progress: Progress) -> list[float]:
    """Hand over between two gateways that are started on this store."""
    async with (
        gateway(folder, "one", store=store) as one,
        gateway(folder, "two", store=store) as two,
        connected(one.address) as first,
        connected(two.address) as second,
    ):
        return await hand_over([first[0], second[0]], "bench/there", turns, progress)


async def hand_over(
    stubs: list[Stub], election: str, turns: int, progress: Progress
) -> list[float]:
    """The leader resigns, the other one takes over and resigns in its turn."""
    leader = Candidate(stubs[0], election)
    await leader.lead()
    times = []
    for turn in range(turns):
        waiting = Candidate(stubs[(turn + 1) % 2], election)
        await waiting.enter()
        await waiting.until(pb.STATE_WAITING)
        await asyncio.sleep(POLITE)
        began = time.perf_counter()
        await leader.resign()
        await waiting.until(pb.STATE_LEADING)
        times.append((time.perf_counter() - began) * 1e3)
        await leader.over()
        leader = waiting
        progress.step()
    await leader.resign()
    await leader.over()
    return times


async def _fail_over(stub: Stub, address: str, kills: int, progress: Progress) -> list[float]:
    times = []
    for number in range(kills):
        election = f"bench/killed/{number}"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.candidate", address, election,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdout is not None
        await process.stdout.readline()
        waiting = Candidate(stub, election)
        await waiting.enter()
        await waiting.until(pb.STATE_WAITING)
        began = time.perf_counter()
        os.kill(process.pid, signal.SIGKILL)
        await waiting.until(pb.STATE_LEADING)
        times.append((time.perf_counter() - began) * 1e3)
        await process.wait()
        await waiting.resign()
        await waiting.over()
        progress.step()
    return times


def figures(name: str, times: list[float], goal: Goal | None = None) -> list[Figure]:
    count = ROUNDS if len(times) >= 2 * ROUNDS else 1
    rounds = [percentile(part, 50) for part in parts(times, count)]
    return [
        Figure(f"{name}, p50", percentile(times, 50), "ms", min(rounds), max(rounds), goal),
        Figure(f"{name}, p99", percentile(times, 99), "ms"),
        Figure(f"{name}, max", max(times), "ms"),
    ]
