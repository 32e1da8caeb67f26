"""A gateway's worth of writing in a process of its own, to be killed at any moment.

Prints `won ELECTION TOKEN` after each acknowledged win; sys.argv: the file.
"""

import asyncio
import random
import secrets
import sys
import time
from contextlib import suppress
from datetime import timedelta

from incumbent_backends.api import Claim, Options, Unavailable
from incumbent_backends.sqlite import Sqlite


class Clock:
    def now(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def campaign(backend: Sqlite, kept: set[str]) -> None:
    while True:
        election, holder = f"e/{random.randrange(8)}", secrets.token_hex(32)
        try:
            seen = await backend.acquire(
                election, holder=holder, attempt=1, candidate="c", value=b"v" * 500
            )
        except Unavailable:  # on a busy machine a ttl of one second may pass
            continue
        if seen.term is None or seen.term.holder != holder:
            kept.discard(election)  # if it is ours, the next renewal ends it
            continue
        print("won", election, seen.term.token, flush=True)
        if random.random() < 0.8:
            with suppress(Unavailable):
                await backend.release(seen.term)
        else:
            kept.add(election)


async def main() -> None:
    options = Options("tests", timedelta(seconds=1), Clock())
    kept: set[str] = set()
    async with Sqlite(f"sqlite:///{sys.argv[1]}", options) as backend, asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(campaign(backend, kept))
        while True:
            with suppress(Unavailable):
                await backend.renew([Claim(name, None) for name in kept])
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(main())
