"""A process that enters and leaves, opens and closes, thousands of times; it weighs itself.

Each weighing is a line: open files, threads, and the bytes that it holds.
"""

import asyncio
import gc
import json
import sys
import threading
import time
from pathlib import Path

from incumbent import AsyncClient, Client
from tests.clients import an_election

AT_ONCE = 20
PATIENCE = 5.0  # seconds for gRPC's threads to close what was left to them


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def weigh(at_most: int = 0) -> int:
    """Tell what this process holds, at rest; return its open files."""
    gc.collect()
    give_up = time.monotonic() + PATIENCE
    while (files := open_files()) > (at_most or files) and time.monotonic() < give_up:
        time.sleep(0.01)
    status = Path("/proc/self/status").read_text()
    (resident,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    weight = {
        "files": files,
        "threads": threading.active_count(),
        "tasks": int(status.partition("Threads:")[2].split()[0]),  # those of gRPC too
        "bytes": int(resident.split()[1]) * 1024,
    }
    print(json.dumps(weight), flush=True)
    return files


async def terms(address: str, cycles: int, weighings: int) -> None:
    """Enter and leave, several at once; weigh in between, at rest."""
    async with AsyncClient(address) as client:

        async def cycle(count: int) -> None:
            election = an_election("cycles")
            for number in range(count):
                async with client.campaign(f"{election}/{number % 50}") as term:
                    assert term.held

        files = 0
        for _ in range(weighings):
            share = cycles // weighings // AT_ONCE
            await asyncio.gather(*(cycle(share) for _ in range(AT_ONCE)))
            files = weigh(files)


def clients(address: str, cycles: int, weighings: int) -> None:
    """Open a client, lead, close it; every other one for asyncio."""
    files = 0
    for number in range(cycles):
        if number % 2:
            asyncio.run(_client(address))
        else:
            with Client(address) as client, client.campaign(an_election()) as term:
                assert term.held
        if (number + 1) % (cycles // weighings) == 0:
            files = weigh(files)


async def _client(address: str) -> None:
    async with AsyncClient(address) as client:
        async with client.campaign(an_election()) as term:
            assert term.held
        assert await client.leader(term.election) is None


if __name__ == "__main__":
    what, where, number, times = sys.argv[1:]
    if what == "terms":
        asyncio.run(terms(where, int(number), int(times)))
    else:
        clients(where, int(number), int(times))
