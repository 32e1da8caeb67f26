"""Whoever elects in a scenario: a client of a gateway, or one that talks to the store directly."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from incumbent.v1 import election_service_pb2 as pb
from incumbent_compare.client import Candidate, Stub, connected


class Contender(ABC):
    """One client, which may lead many elections."""

    @abstractmethod
    async def campaign(self, election: str) -> None:
        """Wait until it leads."""

    @abstractmethod
    async def resign(self, election: str) -> None:
        """Give up what it leads."""

    async def renew(self, election: str) -> None:
        """Say once that it still leads, as it does from time to time by itself."""
        raise NotImplementedError


Opener = Callable[[], AbstractAsyncContextManager[Contender]]


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do this as long as the block lasts: what keeps a client's lease or session alive."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Peer:
    """A way to elect without a gateway, as an engineer would write it today."""

    title: str
    open: Opener
    """It can be pickled: a process of its own opens one to be killed."""
    polls: float = 0.0
    """Seconds between the looks of who waits; 0: the server tells."""
    expires: float = 0.0
    """Seconds after which a dead leader is succeeded at the latest; 0: at once."""
    elects: bool = True
    """Whether it differs from the others before its leader dies."""
    renews: str = ""
    """What a heartbeat of it is; empty: none."""


class ThroughGateway(Contender):
    """A client of a gateway, by plain gRPC; KEEP sends heartbeats, RELEASE none."""

    def __init__(self, stub: Stub, *, keep: bool = False, ttl: int = 10) -> None:
        self._stub, self._keep, self._ttl = stub, keep, ttl
        self._terms: dict[str, Candidate] = {}
        self._beating: set[asyncio.Task[None]] = set()

    async def campaign(self, election: str) -> None:
        candidate = Candidate(self._stub, election, keep=self._keep, ttl=self._ttl)
        self._terms[election] = candidate
        response = await candidate.lead()
        if self._keep:
            self._beating.add(asyncio.create_task(_heartbeats(candidate, response)))

    async def resign(self, election: str) -> None:
        candidate = self._terms.pop(election)
        await candidate.resign()
        await candidate.over()

    def stop(self) -> None:
        """Send no heartbeat any more."""
        for task in self._beating:
            task.cancel()


class Echoed(ThroughGateway):
    """A client of the floor, which calls everybody a leader."""

    async def resign(self, election: str) -> None:
        self._terms.pop(election).cancel()


async def _heartbeats(candidate: Candidate, response: pb.CampaignResponse) -> None:
    while True:
        pace = response.next_heartbeat_in
        await asyncio.sleep(pace.seconds + pace.nanos / 1e9)
        response = await candidate.heartbeat()


@asynccontextmanager
async def _connect(
    kind: type[ThroughGateway], address: str, *, keep: bool = False, ttl: int = 10
) -> AsyncIterator[Contender]:
    async with connected(address) as (stub,):
        contender = kind(stub, keep=keep, ttl=ttl)
        try:
            yield contender
        finally:
            contender.stop()


def through(address: str, *, keep: bool = False, ttl: int = 10) -> Opener:
    """How to become a client of the gateway at the address."""
    return partial(_connect, ThroughGateway, address, keep=keep, ttl=ttl)


def echoed(address: str) -> Opener:
    """How to become a client of the floor at the address."""
    return partial(_connect, Echoed, address)
