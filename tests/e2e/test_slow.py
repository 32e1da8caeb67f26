"""Gateways whose store answers late, freezes, or is asked for much at once."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from incumbent.v1 import election_service_pb2 as pb
from tests.clients import Streams, an_election, connected, now, seconds_of
from tests.e2e.test_two_gateways import assert_not_at_once
from tests.figures import Figures
from tests.gateways import Gateway, Gateways
from tests.proxies import proxied
from tests.stores import gateways_on, on

SLOW = 2.0  # seconds that each answer of the store is late
SLACK = 2.0  # seconds more than the bound, for a busy machine

on_servers = on("postgres", "postgres+advisory", "etcd", "consul")


@pytest.fixture
def gateways(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gateways]:
    """On a store that the test names."""
    with gateways_on(request.param, tmp_path) as gateways:
        yield gateways


def address(store: str) -> str:
    """Where the server of this URL is."""
    return urlsplit(store).netloc.rpartition("@")[2]


def kind(gateways: Gateways) -> str:
    """The store's scheme."""
    return gateways.store.partition(":")[0]


async def worst_case(gateway: Gateway) -> float:
    """Seconds after which another gateway's candidate leads, where this one has fallen silent."""
    async with connected(gateway.grpc) as calls:
        told = await calls.GetBackend(pb.GetBackendRequest())
    return seconds_of(told.failover_gateway_crash)


@on("postgres", "postgres+advisory")
async def test_a_store_that_is_slow_but_not_too_slow(gateways: Gateways, streams: Streams) -> None:
    """Fault 12, it fits: the leader keeps its term, told JEOPARDY at most, and resigns."""
    target = address(gateways.store)
    async with proxied(target) as proxy:
        flags, ttl = ["--backend-ttl", "9s"], 9.0
        one = await gateways.launch(*flags, store=gateways.store.replace(target, proxy.target))
        two = await gateways.launch(*flags)
        election = an_election()
        leader = await streams.candidate(one.grpc, election, ttl=15)
        token = await leader.leads()
        waiting = await streams.candidate(two.grpc, election, ttl=15)
        await waiting.waits()
        proxy.answers.delay = SLOW
        until = time.monotonic() + ttl + SLOW  # longer than the backend ttl
        while time.monotonic() < until:
            assert (await leader.answered()).term.token == token
            assert leader.believes()
            await asyncio.sleep(0.5)
        states = {pb.STATE_WAITING, pb.STATE_LEADING, pb.STATE_JEOPARDY}
        assert {each.state for each in leader.heard} <= states
        assert {each.state for each in waiting.heard} == {pb.STATE_WAITING}
        await leader.resign(10 * SLOW)  # behind what is under way, several answers
        assert await waiting.leads(SLOW * 2 + SLACK) > token


@on("etcd", "consul")
async def test_a_store_that_is_late_and_then_frozen_for_3_s(
    gateways: Gateways, streams: Streams
) -> None:
    """Fault 12, it fits: renewals go on or come in time, and the leader keeps its term."""
    target, ttl = address(gateways.store), 7.0
    async with proxied(target) as proxy:
        flags = ["--backend-ttl", f"{ttl}s"]
        one = await gateways.launch(*flags, store=gateways.store.replace(target, proxy.target))
        leader = await streams.candidate(one.grpc, an_election(), ttl=15)
        token = await leader.leads()
        proxy.answers.delay = 0.4
        await leader.believes_beyond(now() + ttl)
        proxy.answers.delay = 0.0
        proxy.answers.hold()
        frozen = now()
        await asyncio.sleep(3)
        proxy.answers.release()
        await leader.believes_beyond(frozen + ttl)
        assert {each.term.token for each in leader.heard if each.HasField("trust_for")} == {token}
        states = {pb.STATE_WAITING, pb.STATE_LEADING, pb.STATE_JEOPARDY}
        assert {each.state for each in leader.heard} <= states


@on_servers
async def test_a_store_that_is_too_slow(
    gateways: Gateways, streams: Streams, figures: Figures
) -> None:
    """Fault 12, it does not fit: told LOST before its trust ends, and another gateway's leads."""
    target, ttl = address(gateways.store), 2.0
    async with proxied(target) as proxy:
        flags = ["--backend-ttl", f"{ttl}s"]
        one = await gateways.launch(*flags, store=gateways.store.replace(target, proxy.target))
        two = await gateways.launch(*flags)
        bound = await worst_case(two) + SLACK
        election = an_election()
        leader = await streams.candidate(one.grpc, election, ttl=15)
        token = await leader.leads()
        waiting = await streams.candidate(two.grpc, election, ttl=15)
        await waiting.waits()
        began = time.monotonic()
        proxy.answers.delay = SLOW
        assert await leader.lost(ttl + 0.5 + SLACK) == "BACKEND_LOST"
        assert not leader.believes()
        later = await waiting.leads(bound)
        took = time.monotonic() - began
        figures(f"{kind(gateways)}: {SLOW:.0f} s late, backend ttl 2 s: a successor", took)
        assert took < bound
        assert later > token
        assert_not_at_once(leader, waiting)
        proxy.answers.delay = 0.0
        await asyncio.to_thread(one.serving)
        assert (await waiting.answered()).term.token == later
        new = await streams.candidate(one.grpc, an_election())
        assert await new.leads() > later


@on_servers
async def test_a_hundred_callers_at_once_cost_no_term(
    gateways: Gateways, streams: Streams, figures: Figures
) -> None:
    """Fault 18: all of them are served, and the renewals of a short backend ttl go on."""
    gateway = await gateways.launch("--backend-ttl", "2s")
    leader = await streams.candidate(gateway.grpc, an_election(), ttl=2)
    token = await leader.leads()
    began = time.monotonic()
    for _ in range(3):
        crowd = [await streams.by_hand(gateway.grpc, an_election()) for _ in range(100)]
        tokens = await asyncio.gather(*(each.leads() for each in crowd))
        assert len(set(tokens)) == 100
        assert (await leader.answered()).term.token == token
        await asyncio.gather(*(each.resign() for each in crowd))
        assert leader.believes()
    figures(f"{kind(gateways)}: a hundred led and resigned", (time.monotonic() - began) / 3)
    await asyncio.sleep(max(0.0, began + 2.5 - time.monotonic()))  # longer than the backend ttl
    assert (await leader.answered()).term.token == token
    assert {each.state for each in leader.heard} <= {pb.STATE_WAITING, pb.STATE_LEADING}
