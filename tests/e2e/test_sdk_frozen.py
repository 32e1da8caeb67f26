"""A process that stands still past its trust believes nothing when it wakes up."""

import asyncio

import pytest

from incumbent import AsyncClient
from tests.clients import an_election, now
from tests.figures import Figures
from tests.gateways import Gateway
from tests.sdk_process import Kind, Process, leading

TTL = 1.0
SUCCESSION = TTL + 0.25  # seconds after the last message of the frozen client

both = pytest.mark.parametrize("kind", ["sync", "async"])


def assert_never_again(process: Process, frozen: float, thawed: float) -> None:
    """It held the term until it was frozen, and from its first look afterwards never again."""
    looks = process.looks()
    before = [look for look in looks if look["at"] < frozen]
    assert before
    assert all(look["held"] for look in before)
    after = [look["held"] for look in looks if look["at"] > thawed]
    assert after
    assert not any(after)


@both
async def test_sigstop(gateway: Gateway, elsewhere: Gateway, kind: Kind, figures: Figures) -> None:
    """Fault 2. The successor waits with the SDK as well."""
    election = an_election()
    async with AsyncClient(elsewhere.grpc) as client:
        with leading(kind, gateway.grpc, election, ttl=TTL) as process:
            token = await asyncio.to_thread(process.leads)
            await asyncio.to_thread(process.until, "held")
            frozen = process.freeze()
            async with client.campaign(election, timeout=SUCCESSION + 2) as term:
                figures(
                    f"{kind} client frozen, ttl {TTL:g} s: the next leads", now() - frozen, 1.25
                )
                assert term.token > token
                await asyncio.sleep(max(0.0, frozen + 2 * TTL - now()))
                thawed = process.thaw()
                await asyncio.to_thread(process.ended)
                assert_never_again(process, frozen, thawed)
                (lost,) = [line for line in process.lines if "lost" in line]
                assert (lost["lost"], lost["reason"]) == (True, "TRUST_EXPIRED")
                assert term.held


@both
async def test_sigstop_for_less_than_its_trust(gateway: Gateway, kind: Kind) -> None:
    """Again and again: the answers that lay unread are worth what they say."""
    election = an_election()
    with leading(kind, gateway.grpc, election, ttl=4) as process:
        token = await asyncio.to_thread(process.leads)
        for _ in range(3):
            process.freeze()
            await asyncio.sleep(1.5)
            thawed = process.thaw()
            await asyncio.to_thread(process.trusts_until, thawed + 2.5)
        assert all(look["held"] for look in process.looks())
        async with AsyncClient(gateway.grpc) as client:
            assert await client.verify(election, token)


async def test_sigstop_while_it_waits(gateway: Gateway) -> None:
    """It is passed over, and stands in line again when it wakes up."""
    election = an_election()
    async with AsyncClient(gateway.grpc) as client:
        with leading("sync", gateway.grpc, election, ttl=TTL) as process:
            async with client.campaign(election, ttl=5) as term:
                await until_waiting(client, election, 1)
                process.freeze()
                await until_waiting(client, election, 0)  # its ttl has run out
                process.thaw()
                await until_waiting(client, election, 1)
            assert await asyncio.to_thread(process.leads) > term.token


async def until_waiting(client: AsyncClient, election: str, number: int) -> None:
    async with asyncio.timeout(10):
        while await waiting(client, election) != number:
            await asyncio.sleep(0.02)


async def waiting(client: AsyncClient, election: str) -> int:
    folder = election.rpartition("/")[0] + "/"
    found = [each async for each in client.elections(folder) if each.election == election]
    return found[0].waiting if found else 0
