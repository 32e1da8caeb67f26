"""`async with` and a loss: it cancels the body, the block ends as LeadershipLost, all is clean."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from incumbent import AsyncClient, AsyncTerm, LeadershipLost
from tests.bodies import LONG, Ends, OwnError, is_free, is_vacant
from tests.clients import an_election
from tests.gateways import Gateway


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(gateway.grpc) as client:
        yield client


@pytest.fixture
async def ends(gateway: Gateway) -> AsyncIterator[Ends]:
    async with AsyncClient(gateway.grpc) as client:
        ends = Ends(client)
        yield ends
        await ends.over()


@pytest.fixture
async def term(client: AsyncClient) -> AsyncIterator[AsyncTerm]:
    """A term that is to be lost; nothing is left of the cancellation, now or later."""
    yield client.campaign(an_election())
    assert is_free()
    await asyncio.sleep(0)


async def test_a_loss_cancels_the_body(term: AsyncTerm, ends: Ends) -> None:
    seen: list[bool] = []

    async def lead() -> None:
        async with term:
            ends.soon(term)
            try:
                await asyncio.sleep(LONG)
            except asyncio.CancelledError:
                seen.extend((term.held, term.lost.is_set()))
                raise

    with pytest.raises(LeadershipLost) as lost:
        await lead()
    assert seen == [False, True]
    assert (lost.value.reason, lost.value.token) == ("RESIGNED", term.token)
    assert term.reason == "RESIGNED"


async def test_a_timeout_inside_that_does_not_run_out(term: AsyncTerm, ends: Ends) -> None:
    async def lead() -> None:
        async with term, asyncio.timeout(LONG):
            ends.soon(term)
            await asyncio.sleep(LONG)

    with pytest.raises(LeadershipLost):
        await lead()


async def test_a_timeout_around_at_the_same_moment(term: AsyncTerm, ends: Ends) -> None:
    """Whichever is first ends the block; nothing is left of either."""

    async def lead() -> None:
        async with asyncio.timeout(None) as limit, term:
            ends.soon(term)
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(LONG)
            limit.reschedule(asyncio.get_running_loop().time())
            await asyncio.sleep(LONG)

    with pytest.raises((LeadershipLost, TimeoutError)):
        await lead()


async def test_the_bodys_own_exception_when_it_is_cancelled(term: AsyncTerm, ends: Ends) -> None:
    async def lead() -> None:
        async with term:
            ends.soon(term)
            try:
                await asyncio.sleep(LONG)
            finally:
                raise OwnError

    with pytest.raises(OwnError):
        await lead()


async def test_a_task_group_inside(term: AsyncTerm, ends: Ends) -> None:
    ended: list[str] = []

    async def work(name: str) -> None:
        try:
            await asyncio.sleep(LONG)
        finally:
            ended.append(name)

    async def lead() -> None:
        async with term, asyncio.TaskGroup() as group:
            group.create_task(work("one"))
            group.create_task(work("two"))
            await asyncio.sleep(0)
            ends.soon(term)

    with pytest.raises(LeadershipLost):
        await lead()
    assert sorted(ended) == ["one", "two"]


async def test_a_task_group_around(client: AsyncClient, ends: Ends) -> None:
    """A loss in one task ends the group, as an error of it; the others resign."""
    terms = [client.campaign(an_election()) for _ in range(3)]
    leading: list[AsyncTerm] = []

    async def lead(term: AsyncTerm) -> None:
        async with term:
            leading.append(term)
            if len(leading) == len(terms):
                ends.soon(terms[1])
            await asyncio.sleep(LONG)

    async def lead_all() -> None:
        async with asyncio.TaskGroup() as group:
            for term in terms:
                group.create_task(lead(term))

    with pytest.raises(ExceptionGroup) as raised:
        await lead_all()
    (lost,) = raised.value.exceptions
    assert isinstance(lost, LeadershipLost)
    assert lost.token == terms[1].token
    for term in terms:
        assert await is_vacant(client, term.election)


async def test_a_body_that_swallows_the_cancellation(term: AsyncTerm, ends: Ends) -> None:
    """It goes on, cancelled no second time, and is told when its block ends."""
    seen: list[bool] = []

    async def lead() -> None:
        async with term:
            ends.soon(term)
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(LONG)
            await asyncio.sleep(0.05)
            seen.append(term.held)
            with pytest.raises(LeadershipLost):
                term.guard()

    with pytest.raises(LeadershipLost):
        await lead()
    assert seen == [False]


async def test_just_as_the_block_ends(client: AsyncClient, ends: Ends) -> None:
    """Lost or left; but no cancellation ever comes out, or comes later."""
    seen = set()
    for number in range(40):
        term = client.campaign(an_election())
        try:
            async with term:
                ends.soon(term)
                for _ in range(number):
                    await asyncio.sleep(0.0002)
            seen.add("left")
        except LeadershipLost:
            seen.add("lost")
        assert is_free()
        await asyncio.sleep(0)
    assert seen == {"left", "lost"}


async def test_before_the_block_begins(client: AsyncClient, ends: Ends) -> None:
    """`terms` leads before the block is entered: a lost term is not entered."""
    tokens: list[int] = []
    entered: list[int] = []
    refused: list[int] = []
    async for term in client.terms(an_election()):
        tokens.append(term.token)
        if len(tokens) < 3:
            ends.soon(term)
            await term.lost.wait()
        try:
            async with term:
                entered.append(term.token)
                break
        except LeadershipLost as lost:
            refused.append(lost.token)
        assert is_free()
    assert (refused, entered) == (tokens[:2], tokens[2:])
    assert tokens == sorted(set(tokens))


async def test_of_the_outer_of_two_nested(term: AsyncTerm, client: AsyncClient, ends: Ends) -> None:
    """The inner block is left in order."""
    inner = client.campaign(an_election())

    async def lead() -> None:
        async with term, inner:
            ends.soon(term)
            await asyncio.sleep(LONG)

    with pytest.raises(LeadershipLost) as lost:
        await lead()
    assert lost.value.token == term.token
    assert inner.reason == ""
    assert await is_vacant(client, inner.election)


async def test_by_closing_the_client_in_the_body(term: AsyncTerm, client: AsyncClient) -> None:
    async def lead() -> None:
        async with term:
            await client.close()
            await asyncio.sleep(LONG)

    with pytest.raises(LeadershipLost) as lost:
        await lead()
    assert lost.value.reason == "CLOSED"
