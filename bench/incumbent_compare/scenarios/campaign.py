"""From `enter` to LEADING on an election that nobody contends, a new one each time."""

import time
from statistics import median

from incumbent_compare.contender import Contender, echoed, through
from incumbent_compare.goals import ABOVE_DIRECT, with_goals
from incumbent_compare.results import Quantity, Series, Way
from incumbent_compare.setting import Meter, Setting, opened, quantity

WARM = 5  # campaigns that are not counted
LEADS = "enter to LEADING"
OPERATION = "enter and resign"


async def run(setting: Setting) -> list[Series]:
    """In turn: the gateway, each direct way, and the floor."""
    target, sizes = setting.target, setting.sizes
    peers = [peer for peer in target.peers if peer.elects]
    async with setting.gateways() as servers, setting.floor() as bare:
        titles = ["gateway", *(peer.title for peer in peers), "floor"]
        openers = [through(servers[0].address), *(p.open for p in peers), echoed(bare.address)]
        meters = [Meter(target, servers), *(Meter(target) for _ in peers), Meter(target, [bare])]
        times: list[list[list[float]]] = [[] for _ in titles]
        async with opened(*openers) as contenders:
            for contender in contenders:
                await _campaigns(contender, "warm", WARM)
            for repetition in range(sizes.repetitions):
                for way, contender in enumerate(contenders):
                    async with meters[way].repetition(sizes.campaigns):
                        name = f"{repetition}-{way}"
                        times[way].append(await _campaigns(contender, name, sizes.campaigns))
                    setting.step()
    found = []
    for title, meter, taken in zip(titles, meters, times, strict=True):
        measured = [quantity(LEADS, "ms", taken)]
        if title == "gateway" and peers:
            measured.append(_above(taken, times[1], times[-1]))
        found.append(
            setting.series("campaign", _way(title), title, measured, meter, operation=OPERATION)
        )
    return found


def _way(title: str) -> Way:
    return {"gateway": Way.GATEWAY, "floor": Way.FLOOR}.get(title, Way.DIRECT)


def _above(ours: list[list[float]], direct: list[list[float]], bare: list[list[float]]) -> Quantity:
    """What the gateway adds to the direct way and to a bare stream, in each repetition."""
    beyond = [
        [median(our) - median(their) - median(stream)]
        for our, their, stream in zip(ours, direct, bare, strict=True)
    ]
    return with_goals(quantity("above direct and a bare stream", "ms", beyond), ABOVE_DIRECT)


async def _campaigns(contender: Contender, name: str, number: int) -> list[float]:
    """Milliseconds until it led; each time it resigns, so that the server is idle again."""
    times = []
    for each in range(number):
        election = f"campaign/{name}/{each}"
        began = time.perf_counter()
        await contender.campaign(election)
        times.append((time.perf_counter() - began) * 1e3)
        await contender.resign(election)
    return times
