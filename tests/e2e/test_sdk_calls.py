"""Calls that are no campaign: pages, verify and resign from elsewhere, closing meanwhile."""

import asyncio
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import incumbent
from incumbent import AsyncClient, Client, Closed, Refused, Unavailable
from tests.bodies import waiting
from tests.clients import a_credential, an_election, now
from tests.figures import Figures
from tests.gateways import Gateway, Gateways
from tests.proxies import proxied
from tests.sdk_process import ROOT

MANY = 1_050  # more than a page


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    with Client(gateway.grpc) as client:
        yield client


async def test_elections_page_by_page(
    gateway: Gateway, neighbour: Gateway, figures: Figures
) -> None:
    """All are listed, each once, by name, by either gateway; 1,050 are led over one connection."""
    folder = an_election("pages")
    async with AsyncClient(gateway.grpc) as client, AsyncClient(neighbour.grpc) as other:
        terms = [client.campaign(f"{folder}/{number:04}") for number in range(MANY)]
        began = now()
        await asyncio.gather(*(term.__aenter__() for term in terms))
        figures(f"{MANY} campaigns at once lead", now() - began)
        names = [term.election for term in terms]
        listed = [each async for each in client.elections(f"{folder}/")]
        assert [each.election for each in listed] == names
        assert [each.leader and each.leader.token for each in listed] == [
            term.token for term in terms
        ]
        async with asyncio.timeout(5):  # what the other one has heard by its watch
            while [each.election async for each in other.elections(f"{folder}/")] != names:
                await asyncio.sleep(0.05)
        assert [each async for each in client.elections(f"{folder}/0001/")] == []
        began = now()
        for some in range(0, MANY, 150):
            await asyncio.gather(*(term.leave() for term in terms[some : some + 150]))
        figures(f"{MANY} terms are left", now() - began)
        assert [each async for each in client.elections(f"{folder}/")] == []


def test_verify_and_resign_from_another_process(gateway: Gateway, neighbour: Gateway) -> None:
    """One who holds the token and the credential needs nothing else."""
    program = """
import sys, incumbent
address, election, token, credential = sys.argv[1:]
with incumbent.Client(address) as client:
    print(bool(client.verify(election, int(token))), bool(client.verify(election, int(token) + 1)))
    print(client.resign(election, credential).token)
    print(bool(client.verify(election, int(token))))
"""
    for address in (gateway.grpc, neighbour.grpc):
        with Client(gateway.grpc) as client, client.campaign(an_election()) as term:
            arguments = [address, term.election, str(term.token), term.credential]
            said = subprocess.run(
                [sys.executable, "-c", program, *arguments],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=30,
                check=True,
            )
            assert said.stdout.split() == ["True", "False", str(term.token), "False"]
            assert term.lost.wait(1 + 2)
            assert not term.held


def test_resign_of_one_who_waits_elsewhere(gateway: Gateway, neighbour: Gateway) -> None:
    """A wait is known to its own gateway only: each is asked."""
    election = an_election()
    with (
        Client(gateway.grpc) as client,
        Client([neighbour.grpc, gateway.grpc]) as other,
        ThreadPoolExecutor() as threads,
        client.campaign(election) as leader,
    ):
        term = client.campaign(election)
        campaigning = threads.submit(term.__enter__)
        while waiting(client, election) != 1:
            assert not campaigning.done()
        campaign = term._bid.campaign
        assert campaign is not None
        assert other.resign(election, campaign.credential) is None
        told = campaigning.exception(5)
        assert isinstance(told, incumbent.NotElected)
        assert told.reason == "RESIGNED"
        assert leader.held


def test_resign_of_nobody(client: Client, neighbour: Gateway) -> None:
    for address in (client, neighbour.grpc):
        other = address if isinstance(address, Client) else Client([address, "127.0.0.1:1"])
        with other, pytest.raises(Refused) as told:
            other.resign(an_election(), a_credential())
        assert (told.value.status, told.value.reason) == ("FAILED_PRECONDITION", "NOT_LEADER")


async def test_resign_whose_answer_is_lost(gateway: Gateway, neighbour: Gateway) -> None:
    """It was done; the gateway that is asked next knows nothing of it, and that is success."""
    async with (
        proxied(gateway.grpc) as proxy,
        AsyncClient([proxy.target, neighbour.grpc], timeout=3) as client,
        AsyncClient(gateway.grpc) as other,
    ):
        term = other.campaign(an_election())
        await term.win()
        assert await client.leader(term.election) is not None  # there is a connection
        proxy.answers.hold()
        assert await client.resign(term.election, term.credential) is None
        assert await other.leader(term.election) is None
        await term.lost.wait()


async def test_a_full_gateway_is_passed_by(gateways: Gateways) -> None:
    """RESOURCE_EXHAUSTED is the word of one gateway; another one may have room."""
    full = await gateways.launch("--max-streams", "1")
    other = await gateways.launch()
    election = an_election()
    async with (
        AsyncClient(full.grpc) as first,
        first.campaign(an_election()),
        AsyncClient([full.grpc, other.grpc]) as client,
    ):
        assert (await anext(aiter(client.observe(election)))).leader is None
        async with client.campaign(election) as term:
            assert term.held
        with pytest.raises(Refused) as told:
            await anext(aiter(first.observe(election)))
        assert (told.value.status, told.value.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_STREAMS")


@pytest.mark.parametrize("fails", [False, True])
def test_a_token_function_that_takes_its_time(
    gateway: Gateway, neighbour: Gateway, fails: bool
) -> None:
    """It is asked on a thread of its own: for ages, or in vain, once the term is led."""
    asked, slow = threading.Event(), threading.Event()

    def token() -> str:
        if slow.is_set():
            asked.set()
            if fails:
                raise RuntimeError("no token today")
            time.sleep(3)
        return "t0ps3cret"

    with (
        Client([gateway.grpc, neighbour.grpc], token=token, timeout=2) as client,
        client.campaign(an_election(), ttl=1) as term,
    ):
        slow.set()
        with pytest.raises(Unavailable) as told:
            client.leader(term.election)
        assert asked.is_set()
        assert ("no token today" if fails else "no answer") in str(told.value)
        assert "t0ps3cret" not in str(told.value)
        assert term.held
        with pytest.raises(Unavailable):
            client.campaign(an_election()).__enter__()
        assert term.held
        slow.clear()


def test_closing_while_threads_call(gateway: Gateway) -> None:
    """Each call is answered or told Closed; nobody waits for ever."""
    for _ in range(15):
        client, ended = Client(gateway.grpc), list[type[BaseException]]()
        client.backend()

        def call(client: Client = client, ended: list[type[BaseException]] = ended) -> None:
            try:
                while True:
                    client.leader("team/x")
            except BaseException as error:  # noqa: BLE001 - the test looks at it
                ended.append(type(error))

        threads = [threading.Thread(target=call, daemon=True) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.02)
        client.close()
        for thread in threads:
            thread.join(5)
        assert ended == [Closed] * 8


def test_closing_ends_an_observer(client: Client) -> None:
    ended: list[BaseException] = []
    seen = threading.Event()

    def observe() -> None:
        try:
            for _ in client.observe(an_election()):
                seen.set()
        except incumbent.IncumbentError as error:
            ended.append(error)

    thread = threading.Thread(target=observe)
    thread.start()
    assert seen.wait(5)
    client.close()
    thread.join(5)
    assert [type(error) for error in ended] == [Closed]


def test_errors_go_from_process_to_process(client: Client) -> None:
    """As multiprocessing and concurrent.futures send them: whole."""
    with client.campaign(an_election()) as term:
        errors: list[BaseException] = []
        for call in (
            lambda: term.guard(3_600),
            lambda: client.leader("a//b"),
            lambda: client.resign(an_election(), a_credential()),
            lambda: client.campaign(term.election, no_wait=True).__enter__(),
            lambda: client.campaign(term.election, timeout=0).__enter__(),
            lambda: Client("127.0.0.1:1", timeout=0.1).leader("a"),
        ):
            with pytest.raises(incumbent.IncumbentError) as told:
                call()
            errors.append(told.value)
    for error in errors:
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
