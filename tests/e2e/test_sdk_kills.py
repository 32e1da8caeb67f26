"""Fifty kill -9 of two gateways, in turn at random moments: no term of an SDK's client changes."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from incumbent import AsyncClient, AsyncTerm
from tests.clients import an_election
from tests.figures import Figures
from tests.gateways import Gateway, Gateways
from tests.processes import free_address
from tests.witnesses import Witness, verdict

KILLS = 50
ELECTIONS = 10  # two candidates each, every one a client of its own
TTL = 5.0
FLAGS = ("--backend-ttl", "10s")
LOOK = 0.05  # seconds between two looks at `held`


@dataclass
class Contest:
    """One election: who leads it, and who waits all the time."""

    election: str
    folder: Path
    led: asyncio.Event = field(default_factory=asyncio.Event)
    tokens: list[int] = field(default_factory=list)  # in the order in which they were led
    least: float = TTL  # trust that was left at a look

    async def candidate(self, gateways: list[str], number: int, over: asyncio.Event) -> None:
        """Campaign once, and lead until the kills are over."""
        who = f"{self.election.replace('/', '-')}-{number}"
        witness = Witness(self.folder, who)
        async with AsyncClient(gateways, timeout=60) as client:
            term = client.campaign(self.election, candidate=who, ttl=TTL, on_trust=witness.on_trust)
            witness.enters(self.election)
            async with term:
                self.tokens.append(term.token)
                self.led.set()
                await self._work(term, witness, over)
        witness.close()

    async def _work(self, term: AsyncTerm, witness: Witness, over: asyncio.Event) -> None:
        while True:
            assert witness.look(term), term.reason
            self.least = min(self.least, term.remaining())
            if over.is_set():
                return
            await asyncio.sleep(LOOK)


class Fleet:
    """Two gateways at addresses of their own, to be killed in turn and started again there."""

    def __init__(self, gateways: Gateways) -> None:
        self._gateways = gateways
        self._places = [(free_address(), free_address()) for _ in range(2)]
        self._living: dict[int, Gateway] = {}
        self.addresses = [grpc for grpc, _ in self._places]

    async def serve(self) -> None:
        """Start whatever is dead."""
        for place, (grpc, http) in enumerate(self._places):
            if place not in self._living:
                self._living[place] = self._gateways.begin("--listen", grpc, "--http", http, *FLAGS)
        for gateway in self._living.values():
            await asyncio.to_thread(gateway.serving)

    async def kill(self, place: int) -> None:
        await asyncio.to_thread(self._living.pop(place).kill)

    async def suffer(self, chance: random.Random, witness: Witness) -> None:
        """Every fourth time or so the next one dies before the last is started again."""
        for number in range(KILLS):
            place = number % 2
            if place not in self._living:
                await self.serve()
            await asyncio.sleep(chance.uniform(0, 1.2))
            witness.fault("kill", f"gateway {place}")
            await self.kill(place)
            if chance.random() > 0.25:
                await self.serve()
        await self.serve()


@pytest.mark.slow
async def test_no_leader_changes(gateways: Gateways, tmp_path: Path, figures: Figures) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    folder = tmp_path / "history"
    folder.mkdir()
    fleet = Fleet(gateways)
    await fleet.serve()
    began = time.monotonic()
    contests = [Contest(an_election("kills"), folder) for _ in range(ELECTIONS)]
    await suffer(fleet, contests, chance, folder)
    told = verdict(folder)
    assert (told.beliefs, told.terms, told.faults) == (2 * ELECTIONS, 2 * ELECTIONS, KILLS)
    figures(f"{KILLS} kills of two gateways in turn", time.monotonic() - began, 100)
    least = min(contest.least for contest in contests)
    figures(f"least trust of {0.98 * TTL:g} s meanwhile", least)


async def suffer(
    fleet: Fleet, contests: list[Contest], chance: random.Random, folder: Path
) -> None:
    """The whole run: all lead, the gateways are killed, all leave and who waited leads."""
    witness, over = Witness(folder, "killer"), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        observing = group.create_task(observe(fleet.addresses, Witness(folder, "observer")))
        for contest in contests:
            for number in range(2):
                addresses = chance.sample(fleet.addresses, 2)
                group.create_task(contest.candidate(addresses, number, over))
        for contest in contests:
            await contest.led.wait()
            witness.bound(contest.election, 2.0)
        await fleet.suffer(chance, witness)
        assert [len(contest.tokens) for contest in contests] == [1] * len(contests)
        over.set()
        for contest in contests:
            async with asyncio.timeout(20):
                while len(contest.tokens) < 2:
                    await asyncio.sleep(LOOK)
            witness.bound(contest.election, None)
        await asyncio.sleep(1)  # what the watch still has to tell
        observing.cancel()
    async with AsyncClient(fleet.addresses) as client:
        for contest in contests:
            leader = await client.leader(contest.election)
            witness.final(contest.election, None if leader is None else leader.token)


async def observe(addresses: list[str], witness: Witness) -> None:
    async with AsyncClient(addresses, timeout=60) as client:
        witness.observes("kills/")
        async for told in client.observe(prefix="kills/"):
            witness.observed(told)
