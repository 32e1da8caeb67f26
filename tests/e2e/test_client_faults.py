"""Clients that die, freeze or lose their connection; answers that are lost or come late."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from incumbent.v1 import election_service_pb2 as pb
from tests.clients import Streams, a_credential, an_election, now
from tests.figures import Figures
from tests.gateways import Gateway, Gateways, spawn
from tests.proxies import proxied

ROOT = Path(__file__).parents[2]


class Worker:
    """A client process that works while it leads; every piece of work is a line."""

    def __init__(self, target: str, election: str, ttl: float, keep: str) -> None:
        command = [sys.executable, "-m", "tests.clients", target, election, str(ttl), keep]
        self.process = spawn(command, cwd=ROOT)

    def line(self) -> dict[str, float]:
        assert self.process.stdout is not None
        told: dict[str, float] = json.loads(self.process.stdout.readline())
        return told

    def works(self) -> int:
        """Wait until it works; the token."""
        while "work" not in (told := self.line()):
            pass
        return int(told["work"])

    def rest(self) -> list[dict[str, float]]:
        """What it still wrote, once it has ended."""
        assert self.process.stdout is not None
        return [json.loads(line) for line in self.process.stdout]

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


StartWorker = Callable[[str, float, str], Worker]


@pytest.fixture
def worker(gateway: Gateway) -> Iterator[StartWorker]:
    started: list[Worker] = []

    def start(election: str, ttl: float, keep: str) -> Worker:
        started.append(Worker(gateway.grpc, election, ttl, keep))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.mark.parametrize(("keep", "bound"), [("keep", 1.25), ("release", 0.3)])
async def test_kill_9_of_a_client(
    gateway: Gateway,
    elsewhere: Gateway,
    streams: Streams,
    worker: StartWorker,
    figures: Figures,
    keep: str,
    bound: float,
) -> None:
    """Fault 1. It proves that it lives until it dies: ttl counts from its last message."""
    election = an_election()
    client = worker(election, 1, keep)
    token = await asyncio.to_thread(client.works)
    waiting = await streams.candidate(elsewhere.grpc, election)
    await waiting.waits()
    began = time.monotonic()
    client.process.kill()
    assert await waiting.leads(bound + 2) > token
    where = "the same gateway" if elsewhere is gateway else "another gateway"
    took = time.monotonic() - began
    figures(f"client killed with -9, {keep}, ttl 1 s: the next leads on {where}", took, bound)
    assert took < bound + 2


async def test_sigstop_of_a_client(
    gateway: Gateway, streams: Streams, worker: StartWorker, figures: Figures
) -> None:
    """Fault 2: after two ttls it wakes up, and does no work of a term that is over."""
    election = an_election()
    client = worker(election, 1, "keep")
    token = await asyncio.to_thread(client.works)
    waiting = await streams.candidate(gateway.grpc, election)
    await waiting.waits()
    client.process.send_signal(signal.SIGSTOP)
    frozen = now()
    later = await waiting.leads(1.25 + 2)
    figures("client frozen, ttl 1 s: the next leads", now() - frozen, 1.25)
    assert later > token
    since = now()
    await asyncio.sleep(max(0.0, frozen + 2 - now()))
    client.process.send_signal(signal.SIGCONT)
    await asyncio.to_thread(client.process.wait, 10)
    rest = await asyncio.to_thread(client.rest)
    assert not [each for each in rest if "work" in each and each["at"] > since]
    assert [each["stopped"] for each in rest if "stopped" in each] == [token]
    assert (await waiting.answered()).term.token == later


async def test_a_tcp_reset_and_a_resume(
    gateway: Gateway, elsewhere: Gateway, streams: Streams, figures: Figures
) -> None:
    """Fault 4: the term lives on, and the client goes on with it."""
    election, credential = an_election(), a_credential()
    async with proxied(gateway.grpc) as proxy:
        leader = await streams.candidate(proxy.target, election, credential=credential, ttl=5)
        token = await leader.leads()
        waiting = await streams.candidate(gateway.grpc, election)
        await waiting.waits()
        began = time.monotonic()
        proxy.reset()
        await leader.end()
        again = await streams.candidate(
            elsewhere.grpc, election, credential=credential, ttl=5, attempt=2, resume_token=token
        )
        assert await again.leads() == token
        assert leader.believes_until >= again.believed_from
        where = "the same gateway" if elsewhere is gateway else "another gateway"
        figures(f"TCP reset until led again on {where}", time.monotonic() - began)
        assert waiting.heard[-1].state == pb.STATE_WAITING


async def test_a_tcp_reset_ends_a_release_term(
    gateway: Gateway, streams: Streams, figures: Figures
) -> None:
    election = an_election()
    async with proxied(gateway.grpc) as proxy:
        leader = await streams.by_hand(proxy.target, election)
        token = await leader.leads()
        waiting = await streams.candidate(gateway.grpc, election)
        await waiting.waits()
        began = time.monotonic()
        proxy.reset()
        assert await waiting.leads(2.3) > token
        figures("TCP reset of a RELEASE leader: the next leads", time.monotonic() - began, 0.3)


async def test_the_first_answer_is_lost(
    gateway: Gateway, elsewhere: Gateway, streams: Streams
) -> None:
    """Fault 23: enter is repeated with the next attempt; there is one term, and no ghost."""
    election, credential = an_election(), a_credential()
    async with proxied(gateway.grpc) as proxy:
        leader = streams.bare(proxy.target)
        await leader.ready()
        proxy.mute = True
        await leader.enter(election, credential=credential, ttl=2)
        watching = await streams.candidate(gateway.grpc, election)
        await watching.until(lambda response: response.term.token > 0)  # it leads, unknowingly
        token = watching.heard[-1].term.token
        assert leader.heard == []
        proxy.reset()
        again = await streams.candidate(
            elsewhere.grpc, election, credential=credential, ttl=2, attempt=2
        )
        assert await again.leads() == token
        assert (await again.resign()).code is not None
    assert await watching.leads() > token


async def test_answers_are_lost_and_the_client_stops_believing(
    gateway: Gateway, streams: Streams
) -> None:
    """Fault 3, one way: requests arrive, answers do not. Belief ends; the gateway hears it end."""
    election = an_election()
    async with proxied(gateway.grpc) as proxy:
        leader = await streams.candidate(proxy.target, election, ttl=1)
        token = await leader.leads()
        await leader.answered()
        waiting = await streams.candidate(gateway.grpc, election, ttl=1)
        await waiting.waits()
        proxy.mute = True
        await asyncio.sleep(max(0.0, leader.believes_until - now()))
        assert not leader.believes()
        ended = now()
        await leader.cut()  # rule 1: stop heartbeats, close the stream
        assert await waiting.leads(2 + 0.25 + 2) > token
        assert waiting.believed_from >= ended


async def test_an_enter_that_comes_late(
    gateway: Gateway, neighbour: Gateway, streams: Streams
) -> None:
    """Fault 19: the client has moved on; its older enter arrives at a gateway afterwards."""
    election, credential = an_election(), a_credential()
    first = await streams.candidate(gateway.grpc, election, credential=credential)
    token = await first.leads()
    moved = await streams.candidate(
        neighbour.grpc, election, credential=credential, attempt=3, resume_token=token
    )
    assert await moved.leads() == token
    late = await streams.by_hand(
        gateway.grpc, election, credential=credential, attempt=2, resume_token=token
    )
    assert (await late.end()).reason == "SUPERSEDED"
    bid = await streams.by_hand(gateway.grpc, election, credential=credential, attempt=1)
    assert (await bid.end()).reason == "SUPERSEDED"
    assert (await moved.answered()).term.token == token
    assert (await moved.resign()).code is not None
    ghost = await streams.by_hand(
        gateway.grpc, election, credential=credential, attempt=2, resume_token=token
    )
    assert await ghost.lost() == "EXPIRED"


async def test_a_silent_connection_frees_a_release_term(
    gateways: Gateways, streams: Streams, figures: Figures
) -> None:
    """A peer whose kernel lives but who answers no ping: the gateway's keepalive finds it."""
    gateway = await gateways.launch()
    election = an_election()
    client = Worker(gateway.grpc, election, 3600, "release")
    try:
        token = await asyncio.to_thread(client.works)
        waiting = await streams.candidate(gateway.grpc, election)
        await waiting.waits()
        client.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        assert await waiting.leads(4 + 2) > token
        figures("frozen RELEASE client: the next leads", time.monotonic() - began, 4.0)
    finally:
        client.close()
