"""A process that leads until it is killed. It is forked from one that has imported all it needs."""

import asyncio
import multiprocessing
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

from incumbent_compare.contender import Opener
from incumbent_compare.processes import end_with_parent

PATIENCE = 60.0  # seconds until it leads

_nursery = multiprocessing.get_context("forkserver")
_nursery.set_forkserver_preload(["incumbent_compare.targets"])


@asynccontextmanager
async def doomed(opener: Opener, elections: Sequence[str]) -> AsyncIterator[ForkServerProcess]:
    """Have a process of its own lead these elections, to be killed."""
    ours, its = _nursery.Pipe(duplex=False)
    process = _nursery.Process(target=_lead, args=(its, opener, elections), daemon=True)
    process.start()
    its.close()
    try:
        if not await asyncio.to_thread(ours.poll, PATIENCE):
            raise TimeoutError(f"a client did not lead {elections[0]} within {PATIENCE:g} s")
        try:
            ours.recv()
        except EOFError:
            raise RuntimeError(f"a client ended before it led {elections[0]}") from None
        yield process
    finally:
        ours.close()
        process.kill()
        await asyncio.to_thread(process.join)


def _lead(told: Connection, opener: Opener, elections: Sequence[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for our parent
    end_with_parent(signal.SIGKILL)
    asyncio.run(_for_ever(told, opener, elections))


async def _for_ever(told: Connection, opener: Opener, elections: Sequence[str]) -> None:
    async with opener() as contender:
        await asyncio.gather(*map(contender.campaign, elections))
        told.send(True)
        await asyncio.Event().wait()
