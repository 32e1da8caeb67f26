"""`async with` and cancellations by others: they stay what they are, and the term is resigned."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from incumbent import AsyncClient
from tests.bodies import LONG, OwnError, is_free, is_vacant, until_waiting
from tests.clients import an_election, now
from tests.gateways import Gateway


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(gateway.grpc) as client:
        yield client


@pytest.fixture
async def other(gateway: Gateway) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(gateway.grpc) as client:
        yield client


async def is_soon_free(client: AsyncClient, election: str) -> None:
    """Another leads long before the ttl of the first is over."""
    async with client.campaign(election, timeout=2):
        pass


async def test_of_the_body(client: AsyncClient) -> None:
    election, leads = an_election(), asyncio.Event()

    async def lead() -> None:
        async with client.campaign(election):
            leads.set()
            await asyncio.sleep(LONG)

    task = asyncio.create_task(lead())
    await leads.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert await is_vacant(client, election), "it has resigned by now"


async def test_while_it_resigns(client: AsyncClient) -> None:
    """The block ends at once; the resign goes its way."""
    election, leaving = an_election(), asyncio.Event()

    async def lead() -> None:
        async with client.campaign(election, ttl=LONG):
            leaving.set()

    task = asyncio.create_task(lead())
    await leaving.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await is_soon_free(client, election)


async def test_pending_as_the_block_ends(client: AsyncClient) -> None:
    """What waits next is cancelled, and that is the wait for the resign, which has not begun."""
    term = client.campaign(an_election(), ttl=LONG)

    async def lead() -> None:
        async with term:
            loop = term._engine._loop
            assert loop is not None
            loop.call_soon_threadsafe(time.sleep, 0.2)  # the client's thread is busy
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(lead())
    assert not term.held
    await is_soon_free(client, term.election)


async def test_while_it_waits(client: AsyncClient, other: AsyncClient) -> None:
    election = an_election()
    async with other.campaign(election) as term:
        waiting = asyncio.create_task(client.campaign(election).__aenter__())
        await until_waiting(other, election, 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await until_waiting(other, election, 0)
        assert term.held


async def test_just_as_it_is_elected(client: AsyncClient, other: AsyncClient) -> None:
    """Whether it leads by then or not: nothing is left behind."""
    for number in range(30):
        election = an_election()
        term = client.campaign(election, ttl=LONG)
        entering = asyncio.create_task(term.__aenter__())
        await asyncio.sleep(number * 0.0005)
        entering.cancel()
        await asyncio.wait([entering])
        if not entering.cancelled():
            await term.__aexit__(None, None, None)
        await is_soon_free(other, election)


async def test_a_timeout_around_the_body(client: AsyncClient) -> None:
    election, began = an_election(), now()

    async def lead() -> None:
        async with asyncio.timeout(0.3), client.campaign(election):
            await asyncio.sleep(LONG)

    with pytest.raises(TimeoutError):
        await lead()
    assert now() - began < 0.3 + 2
    assert is_free()
    assert await is_vacant(client, election)


async def test_a_timeout_around_the_wait(client: AsyncClient, other: AsyncClient) -> None:
    election = an_election()

    async def wait() -> None:
        async with asyncio.timeout(0.3), client.campaign(election):
            pytest.fail("another leads")

    async with other.campaign(election):
        with pytest.raises(TimeoutError):
            await wait()
        await until_waiting(other, election, 0)
    assert is_free()


async def test_a_timeout_inside_the_body(client: AsyncClient) -> None:
    async with client.campaign(an_election()) as term:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await asyncio.sleep(LONG)
        assert term.held
    assert is_free()


async def test_the_bodys_own_exception(client: AsyncClient) -> None:
    term = client.campaign(an_election())

    async def lead() -> None:
        async with term:
            raise OwnError

    with pytest.raises(OwnError) as raised:
        await lead()
    assert raised.value.__cause__ is None
    assert await is_vacant(client, term.election)


async def test_a_task_group_inside_that_fails(client: AsyncClient) -> None:
    term = client.campaign(an_election())

    async def fail() -> None:
        raise OwnError

    async def lead() -> None:
        async with term, asyncio.TaskGroup() as group:
            group.create_task(fail())
            await asyncio.sleep(LONG)

    with pytest.raises(ExceptionGroup) as raised:
        await lead()
    assert raised.group_contains(OwnError)
    assert is_free()
    assert await is_vacant(client, term.election)
