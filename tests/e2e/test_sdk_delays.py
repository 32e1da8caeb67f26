"""Messages that come late, or in one direction only: they never extend what the client believes."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from incumbent import AsyncClient, AsyncTerm, LeadershipLost
from tests.clients import Candidate, Streams, an_election, now
from tests.figures import Figures
from tests.gateways import Gateway
from tests.proxies import Direction, Proxy, proxied

TTL = 2.0
MARGIN = 0.05  # what a gateway takes off a ttl of 2 s
BACKEND_TTL = 15.0

one_way = pytest.mark.parametrize("ways", [["requests"], ["answers"], ["requests", "answers"]])


@pytest.fixture
async def proxy(gateway: Gateway) -> AsyncIterator[Proxy]:
    async with proxied(gateway.grpc) as proxy:
        yield proxy


async def is_over(term: AsyncTerm) -> float:
    """Wait until it is not held; the last instant at which it was."""
    async with asyncio.timeout(30):
        at = now()
        while term.held:
            at = now()
            await asyncio.sleep(0.001)
    return at


async def stays_over(term: AsyncTerm, seconds: float) -> None:
    until = now() + seconds
    while now() < until:
        assert not term.held
        await asyncio.sleep(0.001)


async def stays_held(term: AsyncTerm, seconds: float) -> float:
    """Look again and again; the least trust that was left."""
    least, until = term.remaining(), now() + seconds
    while now() < until:
        assert term.held
        least = min(least, term.remaining())
        await asyncio.sleep(0.005)
    return least


async def lead_until_lost(term: AsyncTerm) -> LeadershipLost:
    """A body that does nothing but lead."""
    with pytest.raises(LeadershipLost) as caught:
        async with term:
            await asyncio.sleep(60)
    return caught.value


@one_way
async def test_a_delay_counts_against_trust(proxy: Proxy, ways: list[Direction]) -> None:
    async with (
        AsyncClient(proxy.target) as client,
        client.campaign(an_election(), ttl=TTL) as term,
    ):
        token, delay = term.token, 0.6 / len(ways)
        for way in ways:
            proxy[way].delay = delay
        await stays_held(term, TTL)
        until = now() + TTL
        while now() < until:
            assert term.held
            assert term.remaining() <= TTL - MARGIN - 0.6  # whichever way is the slow one
            await asyncio.sleep(0.005)
        assert term.token == token


@one_way
async def test_nothing_for_longer_than_trust_and_then_all_of_it(
    proxy: Proxy, gateway: Gateway, streams: Streams, ways: list[Direction], figures: Figures
) -> None:
    """Fault 3, one gateway: it stops in time, and no late answer makes it believe again."""
    election = an_election()
    async with AsyncClient(proxy.target) as client:
        term = client.campaign(election, ttl=TTL)
        body = asyncio.create_task(lead_until_lost(term))
        waiting = await waits_behind(term, gateway, streams)
        began = now()
        for way in ways:
            proxy[way].hold()
        assert await is_over(term) - began <= TTL
        assert (await body).reason == "TRUST_EXPIRED"
        successor = await waiting.leads(2 * TTL + 0.25 + 2)
        figures(f"{' and '.join(ways)} lost, ttl 2 s: the next leads", now() - began, 4.25)
        assert successor > term.token
        for way in ways:
            proxy[way].release()
        await stays_over(term, 1)
        assert (await waiting.answered()).term.token == successor


async def waits_behind(term: AsyncTerm, gateway: Gateway, streams: Streams) -> Candidate:
    async with asyncio.timeout(10):
        while not term.held:
            await asyncio.sleep(0.001)
    waiting = await streams.candidate(gateway.grpc, term.election)
    await waiting.waits()
    return waiting


@one_way
async def test_it_moves_to_the_other_gateway(
    proxy: Proxy, neighbour: Gateway, ways: list[Direction], figures: Figures
) -> None:
    """Fault 3, two gateways: the same token, and `held` all the time."""
    async with (
        AsyncClient([proxy.target, neighbour.grpc]) as client,
        client.campaign(an_election(), ttl=TTL) as term,
    ):
        token = term.token
        for way in ways:
            proxy[way].hold()
        least = await stays_held(term, 2 * TTL)
        figures(f"{' and '.join(ways)} lost: least trust of {TTL:g} s", least)
        for way in ways:
            proxy[way].release()
        await stays_held(term, TTL)
        assert term.token == token
        assert await client.verify(term.election, token)


@pytest.mark.slow
async def test_answers_held_back_for_thirty_seconds(proxy: Proxy) -> None:
    """The ttl is longer, so pings give the connection up; trust ends by the backend ttl."""
    async with AsyncClient(proxy.target, timeout=60) as client:
        term = client.campaign(an_election(), ttl=60)
        body = asyncio.create_task(lead_until_lost(term))
        async with asyncio.timeout(10):
            while not term.held:
                await asyncio.sleep(0.001)
        began = now()
        proxy.answers.hold()
        assert await is_over(term) - began <= BACKEND_TTL
        assert (await body).reason == "TRUST_EXPIRED"
        await asyncio.sleep(began + 30 - now())
        proxy.answers.release()
        async with client.campaign(an_election()) as other:
            await stays_over(term, 1)
            assert other.held
