"""Gateways that die, drain, freeze or lose the connection: the term goes on, under its token."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from incumbent import AsyncClient, Client, Term
from tests.bodies import until_waiting
from tests.clients import an_election, now
from tests.figures import Figures
from tests.gateways import Gateway, Gateways
from tests.proxies import proxied


@contextmanager
def watched(term: Term) -> Iterator[list[float]]:
    """Looks at a term every millisecond; what was left of its trust each time."""
    left, over = [term.remaining()], Event()

    def watch() -> None:
        while not over.wait(0.001):
            left.append(term.remaining())

    watching = Thread(target=watch)
    watching.start()
    try:
        yield left
    finally:
        over.set()
        watching.join()


def leads_on(client: Client, term: Term, token: int) -> bool:
    """Whether that term is the present one, by its own word and by the store's."""
    return term.held and term.token == token and bool(client.verify(term.election, token))


def test_kill_9_and_another_gateway(gateways: Gateways, figures: Figures) -> None:
    """Fault 5."""
    one, two = gateways.begin(), gateways.begin()
    with (
        Client([one.serving().grpc, two.serving().grpc]) as client,
        client.campaign(an_election()) as term,
        watched(term) as left,
    ):
        token = term.token
        one.kill()
        grown(term, 3.4)
        assert leads_on(client, term, token)
    assert min(left) > 0
    figures("kill -9, on to another gateway: least trust of 9.8 s", min(left))


def test_kill_9_and_the_same_gateway_restarted(gateways: Gateways, figures: Figures) -> None:
    one = gateways.start()
    with (
        Client(one.grpc) as client,
        client.campaign(an_election()) as term,
        watched(term) as left,
    ):
        for _ in range(2):
            token, where = term.token, one.grpc
            one.kill()
            one = gateways.start("--listen", where)
            grown(term, 2)
            assert leads_on(client, term, token)
    assert min(left) > 0
    figures("kill -9 and restarted: least trust of 9.8 s", min(left))


def grown(term: Term, within: float) -> None:
    """Wait until trust was granted anew."""
    before, waiting = term.until, Event()
    for _ in range(int((within + 2) * 1000)):
        if term.until > before:
            return
        waiting.wait(0.001)
    pytest.fail(f"no new trust within {within:g} + 2 s")


@pytest.mark.parametrize("ttl", [1, 10])
def test_drain_of_one_of_two(gateways: Gateways, figures: Figures, ttl: float) -> None:
    """Fault 7."""
    one, two = gateways.begin(), gateways.begin()
    with (
        Client([one.serving().grpc, two.serving().grpc]) as client,
        client.campaign(an_election(), ttl=ttl) as term,
        watched(term) as left,
    ):
        token = term.token
        one.terminate()
        grown(term, 1)
        assert one.wait() == 0
        assert leads_on(client, term, token)
        assert not term.lost.is_set()
    assert min(left) > 0
    figures(f"drain, ttl {ttl:g} s: least trust", min(left))


@pytest.mark.slow
def test_a_rolling_restart(gateways: Gateways, figures: Figures) -> None:
    """Every gateway is drained and started again where it was; nobody is told of a loss."""
    fleet = [gateways.begin(), gateways.begin()]
    with (
        Client([gateway.serving().grpc for gateway in fleet]) as client,
        client.campaign(an_election(), ttl=2) as term,
        watched(term) as left,
    ):
        token = term.token
        for place in (0, 1, 0, 1):
            where = fleet[place].grpc
            fleet[place].terminate()
            assert fleet[place].wait() == 0
            fleet[place] = gateways.start("--listen", where)
        assert leads_on(client, term, token)
    assert min(left) > 0
    figures("rolling restart, ttl 2 s: least trust", min(left))


async def test_a_drain_while_waiting(gateways: Gateways) -> None:
    one, two = await gateways.pair()
    election = an_election()
    async with (
        AsyncClient(two.grpc) as other,
        AsyncClient([one.grpc, two.grpc]) as client,
    ):
        async with other.campaign(election) as leader:
            waiting = client.campaign(election, timeout=30)
            elected = asyncio.create_task(waiting.win())
            async with AsyncClient(one.grpc) as first:
                await until_waiting(first, election, 1)
            one.terminate()
            await until_waiting(other, election, 1)  # on the other gateway now
            assert not elected.done()
        await elected
        assert waiting.token > leader.token
        await waiting.leave()


@pytest.mark.parametrize("others", ["alone", "with another"])
async def test_tcp_resets(
    gateway: Gateway, neighbour: Gateway, figures: Figures, others: str
) -> None:
    """Fault 4, twenty times."""
    async with proxied(gateway.grpc) as one, proxied(neighbour.grpc) as two:
        addresses = [one.target, two.target] if others == "with another" else [one.target]
        async with (
            AsyncClient(addresses) as client,
            client.campaign(an_election(), ttl=5) as term,
        ):
            token, least = term.token, term.remaining()
            for _ in range(20):
                before = term.until
                one.reset()
                two.reset()
                async with asyncio.timeout(5):
                    while term.until == before:
                        assert term.held
                        least = min(least, term.remaining())
                        await asyncio.sleep(0.001)
            figures(f"twenty TCP resets {others}, ttl 5 s: least trust", least)
            assert term.token == token
            assert await client.verify(term.election, token)


def test_a_frozen_gateway(gateways: Gateways, figures: Figures) -> None:
    """Fault 6: it moves in good time, and what wakes up takes nothing back."""
    one, two = gateways.begin("--backend-ttl", "2s"), gateways.begin("--backend-ttl", "2s")
    with (
        Client([one.serving().grpc, two.serving().grpc]) as client,
        client.campaign(an_election(), ttl=2) as term,
        watched(term) as left,
    ):
        token = term.token
        one.freeze()
        grown(term, 2)
        term.lost.wait(3)  # longer than the backend ttl
        one.thaw()
        term.lost.wait(1)
        assert leads_on(client, term, token)
    assert min(left) > 0
    figures("frozen gateway, backend ttl 2 s: least trust of 1.9 s", min(left))


def test_a_frozen_gateway_and_no_other(gateways: Gateways, figures: Figures) -> None:
    """It stops in time; the block ends at once all the same."""
    one = gateways.start("--backend-ttl", "2s")
    with Client(one.grpc) as client, client.campaign(an_election(), ttl=2) as term:
        with watched(term) as left:
            one.freeze()
            assert term.lost.wait(2 + 2)
        assert not term.held
        assert term.reason == "TRUST_EXPIRED"
        one.thaw()
        assert max(left) <= 2 - 0.05
        assert not term.lost.wait(0) or not term.held


@pytest.mark.parametrize("how", ["freeze", "kill"])
def test_leaving_when_the_gateway_does_not_answer(
    gateways: Gateways, figures: Figures, how: str
) -> None:
    """The other one ends the term: nobody waits for the ttl."""
    one, two = gateways.begin(), gateways.begin()
    with (
        Client([one.serving().grpc, two.serving().grpc]) as client,
        Client(two.grpc) as other,
    ):
        with client.campaign(an_election(), ttl=60) as term:
            one.freeze() if how == "freeze" else one.kill()
            began = now()
        figures(f"leaving, {how} of its gateway: the block ends", now() - began, 2)
        assert now() - began < 2 + 2
        with other.campaign(term.election, timeout=2 + 2) as later:
            figures(f"leaving, {how} of its gateway: the next leads", now() - began, 2)
            assert later.token > term.token
