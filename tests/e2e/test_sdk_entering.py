"""Entering one term at several places at once: one of them has it, the others are told."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest

from incumbent import AsyncClient, Client, Term
from tests.clients import an_election
from tests.gateways import Gateway

AT_ONCE = 8


def test_threads_that_enter_one_term(gateway: Gateway) -> None:
    """One campaigns; whoever comes meanwhile is refused, and nobody else's term is left behind."""
    with Client(gateway.grpc) as client, ThreadPoolExecutor(AT_ONCE) as threads:
        election = an_election()
        with client.campaign(election) as leader:
            term = client.campaign(election)
            start = threading.Barrier(AT_ONCE)

            def enter() -> Term:
                start.wait()
                return term.__enter__()

            entering = [threads.submit(enter) for _ in range(AT_ONCE)]
            over = as_completed(entering, timeout=5)
            refused = [next(over).exception() for _ in range(AT_ONCE - 1)]
            assert all("is being entered elsewhere" in str(told) for told in refused)
            assert leader.held
        (entered,) = [each.result(5) for each in entering if each.exception(5) is None]
        with entered:
            assert term.held
            with term:  # as ever: one after the other
                assert term.held
        assert client.leader(election) is None


async def test_tasks_that_enter_one_term(gateway: Gateway) -> None:
    async with AsyncClient(gateway.grpc, timeout=5) as client:
        term = client.campaign(an_election())

        async def work() -> int:
            async with term:
                await asyncio.sleep(0.2)
                return term.token

        async with asyncio.timeout(10):
            ended = await asyncio.gather(*(work() for _ in range(3)), return_exceptions=True)
        tokens = [each for each in ended if isinstance(each, int)]
        refused = [each for each in ended if isinstance(each, RuntimeError)]
        assert (len(tokens), len(refused)) == (1, 2), ended
        assert "is being entered elsewhere" in str(refused[0])
        assert await client.leader(term.election) is None


async def test_a_task_that_enters_the_term_of_another(gateway: Gateway) -> None:
    """A loss cancels one body: there is no second one, and the first goes on."""
    async with AsyncClient(gateway.grpc) as client, client.campaign(an_election()) as term:

        async def intrude() -> None:
            async with term:
                pytest.fail("two bodies")

        with pytest.raises(RuntimeError, match="used by another task"):
            await asyncio.create_task(intrude())
        assert term.held
