"""A body that blocks its event loop or burns the CPU starves no heartbeat."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest
from grpc import aio

from incumbent import AsyncClient, Client
from incumbent.v1 import election_service_pb2 as pb
from incumbent.v1 import election_service_pb2_grpc as rpc
from tests.clients import an_election, now
from tests.figures import Figures
from tests.gateways import Gateway

TTL = 1.0
BUSY = 3 * TTL

Busy = Callable[[], None]


def sleep() -> None:
    time.sleep(BUSY)


def burn() -> None:
    until = now() + BUSY
    while now() < until:
        pass


def burn_in_threads() -> None:
    threads = [threading.Thread(target=burn) for _ in range(3)]
    for thread in threads:
        thread.start()
    burn()
    for thread in threads:
        thread.join()


busy = pytest.mark.parametrize("busy", [sleep, burn_in_threads])


@busy
def test_a_busy_body_keeps_its_term(gateway: Gateway, busy: Busy, figures: Figures) -> None:
    with Client(gateway.grpc) as client:
        with client.campaign(an_election(), ttl=TTL) as term:
            token = term.token
            busy()
            assert term.held
            figures(f"left of {TTL:g} s after {busy.__name__}", term.remaining())
            assert client.verify(term.election, token)
        assert client.leader(term.election) is None


@busy
async def test_a_blocked_event_loop_keeps_its_term(gateway: Gateway, busy: Busy) -> None:
    """agno#9512: the heartbeat shared the loop with the work."""
    async with (
        AsyncClient(gateway.grpc) as client,
        client.campaign(an_election(), ttl=TTL) as term,
    ):
        token = term.token
        busy()
        assert term.held
        assert not term.lost.is_set()
        await asyncio.sleep(0)
        assert term.held
        assert await client.verify(term.election, token)


@busy
async def test_a_blocked_event_loop_with_grpc_of_its_own(gateway: Gateway, busy: Busy) -> None:
    """grpc.aio polls for all loops of a process with one thread and one socket."""
    async with (
        aio.insecure_channel(gateway.grpc) as channel,
        AsyncClient(gateway.grpc) as client,
        client.campaign(an_election(), ttl=TTL) as term,
    ):
        calls = rpc.ElectionServiceStub(channel)
        leader = pb.GetLeaderRequest(election=term.election)
        observer = calls.Observe(pb.ObserveRequest(election=term.election))
        under_way = [asyncio.create_task(_answered(calls, leader)) for _ in range(20)]
        await asyncio.sleep(0)  # they are sent, and nobody reads the answers
        busy()
        assert term.held
        assert {answer.term.token for answer in await asyncio.gather(*under_way)} == {term.token}
        assert (await anext(aiter(observer))).term.token == term.token
        observer.cancel()
        assert term.held


async def _answered(
    calls: "rpc.ElectionServiceAsyncStub", request: pb.GetLeaderRequest
) -> pb.GetLeaderResponse:
    return await calls.GetLeader(request)


def test_held_is_never_false_meanwhile(gateway: Gateway, figures: Figures) -> None:
    """Looked at from another thread, while the body burns."""
    with Client(gateway.grpc) as client, client.campaign(an_election(), ttl=TTL) as term:
        least = [term.remaining()]
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.01):
                least.append(term.remaining())

        watching = threading.Thread(target=watch)
        watching.start()
        burn()
        over.set()
        watching.join()
        assert min(least) > 0
        figures(f"least trust of {TTL:g} s while the body burns", min(least))
