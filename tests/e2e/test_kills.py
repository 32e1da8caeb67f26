"""A hundred kill -9 of gateways at random moments under load: no token goes back, nothing stays."""

import asyncio
import random
import sqlite3
import time
from collections import defaultdict
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from grpc import StatusCode

from incumbent.v1 import election_service_pb2 as pb
from tests.clients import Candidate, Streams, a_credential, an_election, connected, now
from tests.figures import Figures
from tests.gateways import Gateway, Gateways

KILLS = 100
KILLERS = 2
CLIENTS = 8
BACKEND_TTL = 1.0
ALIVE = 3  # gateways that serve at a time


@dataclass
class History:
    """What the clients saw: who was granted what, who believed, what was resigned."""

    owners: dict[tuple[str, int], str] = field(default_factory=dict)
    highest: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    beliefs: dict[str, list[tuple[float, float, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    resigned: set[tuple[str, int]] = field(default_factory=set)
    moved: int = 0

    def granted(self, election: str, token: int, credential: str, floor: int) -> None:
        """A term began; `floor` is the highest token heard of before it was asked for."""
        assert self.owners.setdefault((election, token), credential) == credential, "one owner"
        assert (election, token) not in self.resigned, "a resigned term came back"
        assert token > floor, "a token went back"
        self.highest[election] = max(self.highest[election], token)

    def believed(self, election: str, candidate: Candidate) -> None:
        if candidate.token:
            belief = (candidate.believed_from, candidate.believes_until, candidate.token)
            self.beliefs[election].append(belief)

    def check(self) -> None:
        for beliefs in self.beliefs.values():
            for one, other in pairwise(sorted(beliefs)):
                assert one[2] == other[2] or one[1] <= other[0], f"two at once: {one}, {other}"


class Load:
    """Clients that campaign, proclaim, resign, leave and resume, on whatever gateway is there."""

    def __init__(self, gateways: list[Gateway], chance: random.Random) -> None:
        self.gateways = gateways
        self.chance = chance
        self.elections = [an_election("kills") for _ in range(5)]
        self.history = History()
        self.streams = Streams()

    async def client(self) -> None:
        while True:
            election, credential = self.chance.choice(self.elections), a_credential()
            with suppress(NotLed):
                await self._candidacy(election, credential)

    async def _candidacy(self, election: str, credential: str) -> None:
        floor = self.history.highest[election]
        candidate = await self._enter(election, credential, attempt=1)
        await _led(candidate)
        token = candidate.heard[-1].term.token
        self.history.granted(election, token, credential, floor)
        for attempt in range(2, 6):
            await self._lead(candidate)
            if candidate.ending is None or not candidate.believes():
                break
            # the gateway died: go on elsewhere while trust runs
            self.history.believed(election, candidate)
            candidate = await self._enter(election, credential, attempt=attempt, resume_token=token)
            await _led(candidate)
            assert candidate.heard[-1].term.token == token
            self.history.moved += 1
        if candidate.ending is None and self.chance.random() < 0.7:
            resigning = now()
            if (await candidate.resign()).code is StatusCode.OK:
                self.history.resigned.add((election, token))
            candidate.believes_until = min(candidate.believes_until, resigning)
        self.history.believed(election, candidate)
        await candidate.cut()

    async def _enter(self, election: str, credential: str, **fields: int) -> Candidate:
        gateway = self.chance.choice(self.gateways)
        candidate: Candidate = await self.streams.candidate(
            gateway.grpc, election, credential=credential, ttl=1, **fields
        )
        return candidate

    async def _lead(self, candidate: Candidate) -> None:
        until = now() + self.chance.uniform(0, 0.6)
        while candidate.ending is None and now() < until:
            await candidate.proclaim(self.chance.randbytes(self.chance.randrange(64)))
            await asyncio.sleep(self.chance.uniform(0, 0.05))


class NotLed(Exception):
    """The candidacy ended before it led, which is no fault under kills."""


async def _led(candidate: Candidate) -> None:
    async with asyncio.timeout(30):
        while not (candidate.heard and candidate.heard[-1].state == pb.STATE_LEADING):
            if candidate.ending is not None:
                await candidate.cut()
                raise NotLed
            await asyncio.sleep(0.005)


async def killer(gateways: Gateways, serving: list[Gateway], chance: random.Random) -> None:
    """Replace gateways by new ones; the old ones die at random moments, as do some new ones."""
    for _ in range(KILLS // KILLERS):
        fresh = gateways.begin("--backend-ttl", "1s")
        if chance.random() < 0.2:
            await asyncio.sleep(chance.uniform(0, 0.3))
            await asyncio.to_thread(fresh.kill)
            continue
        await asyncio.to_thread(fresh.serving)
        victim = serving.pop(0)
        serving.append(fresh)
        await asyncio.sleep(chance.uniform(0, 0.8))
        await asyncio.to_thread(victim.kill)


@pytest.mark.slow
async def test_100_kills_under_load(gateways: Gateways, figures: Figures) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    began = time.monotonic()
    serving = [gateways.begin("--backend-ttl", "1s") for _ in range(ALIVE)]
    for gateway in serving:
        await asyncio.to_thread(gateway.serving)
    load = Load(serving, chance)
    async with asyncio.TaskGroup() as group:
        clients = [group.create_task(load.client()) for _ in range(CLIENTS)]
        async with asyncio.TaskGroup() as killers:
            for _ in range(KILLERS):
                killers.create_task(killer(gateways, serving, chance))
        for client in clients:
            client.cancel()
    await load.streams.close()
    load.history.check()
    figures(f"{KILLS} kills of gateways under load", time.monotonic() - began)
    print(f"{len(load.history.owners)} terms, {load.history.moved} moved after a kill")
    assert len(load.history.owners) > KILLS
    for gateway in serving[1:]:
        gateway.kill()
    await no_ghosts(gateways, serving[0], load)


async def no_ghosts(gateways: Gateways, last: Gateway, load: Load) -> None:
    """Everything is vacant after two backend ttls, and the next tokens are higher than all."""
    ended = time.monotonic()
    streams = Streams()
    async with connected(last.grpc) as calls:
        async with asyncio.timeout(2 * BACKEND_TTL + 2):
            for election in load.elections:
                asked = pb.GetLeaderRequest(election=election)
                while (await calls.GetLeader(asked)).HasField("term"):
                    await asyncio.sleep(0.05)
    print(f"all vacant {time.monotonic() - ended:.2f} s after the last client left")
    highest = max(load.history.highest.values())
    for election in load.elections:
        successor = await streams.candidate(last.grpc, election)
        assert await successor.leads() > highest
    with closing(sqlite3.connect(gateways.file)) as db:
        async with asyncio.timeout(2 * BACKEND_TTL + 2):  # until the last one's session is alone
            while db.execute("SELECT count(*) FROM incumbent_session").fetchall() != [(1,)]:
                await asyncio.sleep(0.05)
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    await streams.close()
