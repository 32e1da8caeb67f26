"""When `incumbent run` begins: with enough trust left, and never without."""

import asyncio
import math

import pytest

from incumbent import Trust
from incumbent._cli.guard.linux import boottime
from incumbent._cli.watch import Watch

TTL = 10.0


async def begins(watch: Watch) -> bool:
    """Whether it begins at once, or with what was told just now."""
    task = asyncio.create_task(watch.enough(TTL))
    for _ in range(5):
        await asyncio.sleep(0)
    begun = task.done()
    task.cancel()
    return begun


def told(watch: Watch, left: float) -> None:
    """What the SDK tells, from its own thread."""
    watch.told(Trust(1, boottime(), boottime() + left))


async def test_half_the_ttl_is_enough() -> None:
    watch = Watch()
    told(watch, 9.8)
    await watch.moved()
    assert await begins(watch)


async def test_less_waits_for_the_next_renewal_whatever_that_brings() -> None:
    watch = Watch()
    told(watch, 1.0)
    await watch.moved()
    assert not await begins(watch)
    waiting = asyncio.create_task(watch.enough(TTL))
    await asyncio.sleep(0)
    told(watch, 4.0)
    await waiting


@pytest.mark.parametrize("before", [-math.inf, 1.0])
async def test_without_trust_nothing_begins(before: float) -> None:
    watch = Watch()
    told(watch, before)
    await watch.moved()
    waiting = asyncio.create_task(begins(watch))
    await asyncio.sleep(0)
    told(watch, -math.inf)
    assert not await waiting


async def test_a_move_is_waited_for_no_longer_than_is_said() -> None:
    watch = Watch()
    await watch.moved(within=0.01)
    told(watch, 5.0)
    await watch.moved(within=60)
    assert watch.until > boottime()


async def test_what_is_told_after_the_loop_is_closed_is_nobody_s_business() -> None:
    loop = asyncio.new_event_loop()

    async def make() -> Watch:
        return Watch()

    watch = await asyncio.to_thread(loop.run_until_complete, make())
    loop.close()
    told(watch, 5.0)
