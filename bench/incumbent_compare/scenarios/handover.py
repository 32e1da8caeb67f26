"""The leader resigns, who waits leads: on one gateway, between two, and without any.

Counted from the moment at which the resign is handed over until the successor knows that it leads.
"""

import asyncio
import random
import time
from dataclasses import dataclass

from incumbent_compare import goals
from incumbent_compare.contender import Contender, Opener, Peer, through
from incumbent_compare.goals import with_goals
from incumbent_compare.results import Goal, Quantity, Series, Way
from incumbent_compare.setting import Meter, Setting, opened, quantity

WARM = 0.15  # seconds that the successor has waited
COLD = 0.03  # less than etcd takes until it has a new watch in its usual loop
TWO = "two gateways"
LEADS = "resign to LEADING"
OPERATION = "resign, and another one enters"


@dataclass(frozen=True, slots=True)
class _Way:
    title: str
    way: Way
    openers: tuple[Opener, Opener]
    waited: float
    over: str | None = None  # the peer that the goal is a ratio to


async def run(setting: Setting) -> list[Series]:
    """In turn: one gateway, two of them, and the peers that the server tells of a vacancy."""
    target, sizes = setting.target, setting.sizes
    number = 2 if target.shared else 1
    found = []
    async with setting.gateways(number) as servers:
        here = through(servers[0].address)
        ways = [_Way("one gateway", Way.GATEWAY, (here, here), WARM)]
        if target.shared:
            ways += _between(here, through(servers[1].address), setting)
        ways += [each for peer in _told(setting) for each in _directly(peer)]
        meters = [Meter(target, servers if way.way is Way.GATEWAY else ()) for way in ways]
        times: list[list[list[float]]] = [[] for _ in ways]
        for repetition in range(sizes.repetitions):
            for place, way in enumerate(ways):
                async with opened(*way.openers) as both:
                    await _turns(both, f"warm/{repetition}-{place}", 1, way.waited)
                    async with meters[place].repetition(sizes.turns):
                        name = f"{repetition}-{place}"
                        times[place].append(await _turns(both, name, sizes.turns, way.waited))
                setting.step()
        for way, meter, taken in zip(ways, meters, times, strict=True):
            measured = _with_goals(quantity(LEADS, "ms", taken), way, target.name)
            found.append(
                setting.series(
                    "handover",
                    way.way,
                    way.title,
                    [measured],
                    meter,
                    operation=OPERATION,
                    waited_ms=way.waited * 1e3,
                )
            )
    return found


def _told(setting: Setting) -> list[Peer]:
    return [peer for peer in setting.target.peers if peer.elects and not peer.polls]


def _between(one: Opener, other: Opener, setting: Setting) -> list[_Way]:
    peers = [peer.title for peer in _told(setting) if setting.target.name == "etcd"]
    over = peers[0] if peers else None
    cold = None if over is None else _cold(over)
    return [
        _Way(TWO, Way.GATEWAY, (one, other), WARM, over),
        _Way(_cold(TWO), Way.GATEWAY, (one, other), COLD, cold),
    ]


def _directly(peer: Peer) -> list[_Way]:
    both = (peer.open, peer.open)
    return [
        _Way(peer.title, Way.DIRECT, both, WARM),
        _Way(_cold(peer.title), Way.DIRECT, both, COLD),
    ]


def _cold(title: str) -> str:
    return f"{title}, resigned {COLD * 1e3:.0f} ms after the campaign"


def _with_goals(measured: Quantity, way: _Way, store: str) -> Quantity:
    wanted: list[Goal] = []
    if way.title == TWO:
        wanted += goals.handover(store)
    if way.over is not None:
        wanted.append(goals.at_most(2.0 if way.title == TWO else 1.0, over=way.over))
    return with_goals(measured, *wanted)


async def _turns(both: list[Contender], name: str, turns: int, waited: float) -> list[float]:
    """Milliseconds of each turn; they take over from each other."""
    election, times = f"handover/{name}", []
    await both[0].campaign(election)
    for turn in range(turns):
        leader, waiting = both[turn % 2], both[(turn + 1) % 2]
        following = asyncio.create_task(waiting.campaign(election))
        await asyncio.sleep(waited)
        resigned = asyncio.create_task(leader.resign(election))
        began = time.perf_counter()
        await following
        times.append((time.perf_counter() - began) * 1e3)
        await resigned
    await both[turns % 2].resign(election)
    return times


async def waits(setting: Setting) -> list[Series]:
    """The peers that look from time to time; all their repetitions wait side by side."""
    peers = [peer for peer in setting.target.peers if peer.elects and peer.polls]
    return [await _polled(setting, peer) for peer in peers]


async def _polled(setting: Setting, peer: Peer) -> Series:
    sizes = setting.sizes
    times: list[list[float]] = [[] for _ in range(sizes.repetitions)]

    async def one(both: list[Contender], repetition: int, number: int) -> None:
        election = f"handover/polled/{repetition}-{number}"
        await both[0].campaign(election)
        following = asyncio.create_task(both[1].campaign(election))
        await asyncio.sleep(random.uniform(0.1, 0.1 + peer.polls))  # any moment between two looks
        began = time.perf_counter()
        await both[0].resign(election)
        await following
        times[repetition].append((time.perf_counter() - began) * 1e3)
        await both[1].resign(election)
        setting.step()

    async with opened(peer.open, peer.open) as both, asyncio.TaskGroup() as group:
        for repetition in range(sizes.repetitions):
            for number in range(sizes.waits):
                group.create_task(one(both, repetition, number))
    return setting.series(
        "handover", Way.DIRECT, peer.title, [quantity(LEADS, "ms", times)], polled_s=peer.polls
    )
