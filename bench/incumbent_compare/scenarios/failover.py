"""The leader's process, or its gateway, is killed with kill -9; who waits leads.

Counted from the kill until the successor knows that it leads.
"""

import asyncio
import random
import time
from contextlib import suppress

from incumbent.v1 import election_service_pb2 as pb
from incumbent_compare import goals
from incumbent_compare.client import Candidate, Ended, Stub, connected
from incumbent_compare.contender import Contender, Opener, Peer, through
from incumbent_compare.doomed import doomed
from incumbent_compare.goals import with_goals
from incumbent_compare.processes import Server
from incumbent_compare.results import Series, Way
from incumbent_compare.setting import Meter, Setting, opened, quantity, singles

WAITED = 0.1  # seconds that the successor has waited
BEATS = 0.4  # seconds: more than there is between two heartbeats at a ttl of 1 s
SETTLED = 2.0  # seconds, so that waits begin anywhere between two renewals
KILLED = "kill -9 to LEADING"
OPERATION = "enter, kill, succeed and resign"


async def run(setting: Setting) -> list[Series]:
    """In turn: clients under RELEASE, one after the other, and under KEEP with a ttl of 1 s."""
    sizes, target = setting.sizes, setting.target
    releases: list[list[float]] = []
    keeps: list[list[float]] = []
    async with setting.gateways() as servers:
        address = servers[0].address
        meters = [Meter(target, servers), Meter(target, servers)]
        async with opened(through(address)) as (waiting,):
            for repetition in range(sizes.repetitions):
                async with meters[0].repetition(sizes.kills):
                    releases.append([
                        await _fail_over(through(address), waiting, f"release/{repetition}-{kill}")
                        for kill in range(sizes.kills)
                    ])  # fmt: skip
                setting.step()
                async with meters[1].repetition(sizes.keeps):
                    keep = through(address, keep=True, ttl=1)
                    names = [f"keep/{repetition}-{kill}" for kill in range(sizes.keeps)]
                    killed = (_fail_over(keep, waiting, name, BEATS) for name in names)
                    keeps.append(await asyncio.gather(*killed))
                setting.step()
    released = with_goals(quantity(KILLED, "ms", releases), goals.release(target.name))
    kept = with_goals(quantity(KILLED, "ms", keeps), goals.KEEP)
    series = setting.series
    return [
        series(
            "failover",
            Way.GATEWAY,
            "a client killed, RELEASE",
            [released],
            meters[0],
            operation=OPERATION,
        ),
        series(
            "failover",
            Way.GATEWAY,
            "a client killed, KEEP, ttl 1 s",
            [kept],
            meters[1],
            operation=OPERATION,
            ttl_s=1,
        ),
    ]


async def _fail_over(opener: Opener, waiting: Contender, name: str, within: float = 0.0) -> float:
    """Milliseconds without a leader, killed at any moment within so many seconds."""
    election = f"failover/{name}"
    async with doomed(opener, [election]) as leader:
        following = asyncio.create_task(waiting.campaign(election))
        await asyncio.sleep(WAITED + random.uniform(0, within))
        began = time.perf_counter()
        leader.kill()
        await following
        took = (time.perf_counter() - began) * 1e3
    await waiting.resign(election)
    return took


async def waits(setting: Setting) -> list[Series]:
    """Gateways and direct clients that are killed, side by side: nearly all of it is waiting."""
    async with asyncio.TaskGroup() as group:
        direct = [group.create_task(_direct(setting, peer)) for peer in setting.target.peers]
        killed = group.create_task(_gateways(setting)) if setting.target.shared else None
    found = [] if killed is None else killed.result()
    return [*found, *(each.result() for each in direct)]


async def _direct(setting: Setting, peer: Peer) -> Series:
    """A process a repetition, which leads several elections on one connection."""
    sizes = setting.sizes

    async def one(repetition: int) -> list[float]:
        # Two peers of one store are at it at one time: each has elections of its own.
        place = setting.target.peers.index(peer)
        names = [f"failover/{place}/{repetition}-{number}" for number in range(sizes.waits)]
        async with doomed(peer.open, names) as leader, opened(peer.open) as (waiting,):
            async with asyncio.TaskGroup() as group:
                led = [group.create_task(_later(waiting, name, peer.polls)) for name in names]
                await asyncio.sleep(SETTLED + peer.polls + random.uniform(0, peer.polls))
                began = time.perf_counter()
                leader.kill()
            await asyncio.gather(*map(waiting.resign, names))
        setting.step()
        return [(each.result() - began) * 1e3 for each in led]

    times = await asyncio.gather(*map(one, range(sizes.repetitions)))
    title = f"direct client killed: {peer.title}"
    return setting.series("failover", Way.DIRECT, title, [quantity(KILLED, "ms", times)])


async def _later(waiting: Contender, election: str, within: float) -> float:
    """Begin to wait at any moment between two looks; the moment at which it led."""
    await asyncio.sleep(random.uniform(0, within))
    await waiting.campaign(election)
    return time.perf_counter()


async def _gateways(setting: Setting) -> list[Series]:
    """A gateway a repetition is killed; another one takes over.

    On each of them two leaders: one that goes on at the other gateway at once, and keeps its term,
    and one that is gone with its gateway, whose successor waits for the store.
    """
    sizes = setting.sizes
    async with (
        setting.gateways(sizes.repetitions + 1) as gateways,
        connected(gateways[-1].address) as (survivor,),
    ):
        tasks = [
            _orphaned(gateway, survivor, number) for number, gateway in enumerate(gateways[:-1])
        ]
        found = await asyncio.gather(*tasks)
        for _ in range(sizes.repetitions):
            setting.step()
    succeeded = singles(KILLED, "ms", [one for one, _ in found])
    resumed = [other for _, other in found if other is not None]
    series = setting.series
    ways = [series("failover", Way.GATEWAY, "a gateway killed, its client with it", [succeeded])]
    if resumed:
        went_on = singles("kill -9 to LEADING again, same token", "ms", resumed)
        title = "a gateway killed, its client goes on at another one"
        ways.append(series("failover", Way.GATEWAY, title, [went_on]))
    return ways


async def _orphaned(gateway: Server, survivor: Stub, number: int) -> tuple[float, float | None]:
    election = f"failover/gateway/{number}"
    async with connected(gateway.address) as (stub,):
        gone = Candidate(stub, f"{election}/gone", keep=True, ttl=30)
        stays = Candidate(stub, f"{election}/stays", keep=True, ttl=30)
        await gone.lead()
        token = (await stays.lead()).term.token
        successor = Candidate(survivor, f"{election}/gone")
        await successor.enter()
        await successor.until(pb.STATE_WAITING)
        await asyncio.sleep(SETTLED + random.uniform(0, 5))
        began = time.perf_counter()
        gateway.kill()
        resumed = await _resume(survivor, stays, token)
        again = (time.perf_counter() - began) * 1e3 if resumed else None
        await successor.until(pb.STATE_LEADING)
        took = (time.perf_counter() - began) * 1e3
        await successor.resign()
        await successor.over()
    return took, again


async def _resume(survivor: Stub, candidate: Candidate, token: int) -> bool:
    """Go on with the term on the other gateway; False: on this store it cannot."""
    with suppress(Ended):
        while True:
            await candidate.read()
    while True:
        candidate = candidate.again(survivor, token)
        await candidate.enter()
        try:
            return (await candidate.read()).state == pb.STATE_LEADING
        except Ended:  # unavailable, not lost
            await asyncio.sleep(0.05)
