"""What a campaign may ask for, and what a term offers, against real gateways."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

import incumbent
from incumbent import CampaignTimeout, Client, HeldByAnother, LeadershipLost, OnDisconnect
from tests.bodies import waiting
from tests.clients import an_election, now
from tests.figures import Figures
from tests.gateways import Gateway, Gateways
from tests.proxies import proxied
from tests.sdk_process import Kind, leading


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    with Client(gateway.grpc) as client:
        yield client


@pytest.fixture
def other(elsewhere: Gateway) -> Iterator[Client]:
    """A client of the same gateway, and of another one."""
    with Client(elsewhere.grpc) as client:
        yield client


def test_timeout(client: Client, other: Client, figures: Figures) -> None:
    election = an_election()
    with client.campaign(election, candidate="first") as term:
        began = now()
        with pytest.raises(CampaignTimeout) as told:
            other.campaign(election, timeout=0.5).__enter__()
        figures("campaign(timeout=0.5) behind a leader", now() - began, 0.5)
        assert 0.5 <= now() - began < 0.5 + 2
        assert isinstance(told.value, TimeoutError)
        assert term.held
        assert (waiting(other, election), waiting(client, election)) == (0, 0), "it has withdrawn"
    with other.campaign(election, timeout=0.5) as later:
        assert later.token > term.token


def test_no_wait(client: Client, other: Client, figures: Figures) -> None:
    election = an_election()
    with client.campaign(election) as term:
        began = now()
        with pytest.raises(HeldByAnother) as told:
            other.campaign(election, no_wait=True).__enter__()
        figures("campaign(no_wait=True) behind a leader", now() - began)
        assert told.value.reason == "HELD_BY_ANOTHER"
        assert term.held
    with other.campaign(election, no_wait=True) as later:
        assert later.held


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_killed_process_with_release(
    gateway: Gateway, other: Client, figures: Figures, kind: Kind
) -> None:
    """Fault 1 with RELEASE: succeeded at once, however long its ttl."""
    election = an_election()
    with (
        leading(kind, gateway.grpc, election, ttl=60, on_disconnect="release") as process,
        ThreadPoolExecutor() as threads,
    ):
        token = process.leads()
        campaigning = threads.submit(other.campaign(election, timeout=10).__enter__)
        while waiting(other, election) != 1:
            assert not campaigning.done()
        began = process.kill()
        with campaigning.result(0.3 + 2) as term:
            figures(f"{kind} process killed, RELEASE: the next leads", now() - began, 0.3)
            assert term.token > token


async def test_a_broken_stream_ends_a_release_term_at_once(
    gateway: Gateway, neighbour: Gateway, figures: Figures
) -> None:
    async with (
        proxied(gateway.grpc) as proxy,
        incumbent.AsyncClient([proxy.target, neighbour.grpc]) as client,
    ):
        term = client.campaign(an_election(), on_disconnect=OnDisconnect.RELEASE)
        await term.win()
        began = now()
        proxy.reset()
        await term.lost.wait()
        figures("RELEASE: stream broken until told", now() - began, 0.1)
        assert now() - began < 0.1 + 2
        assert not term.held
        assert term.reason == "DISCONNECTED"
        async with client.campaign(term.election, timeout=2) as later:
            assert later.token > term.token
        await term.leave()


def test_proclaim(client: Client, other: Client) -> None:
    with client.campaign(an_election(), value=b"first") as term:
        assert term.value == b"first"
        for value in (b"second", b"", bytes(4_096), b"\x00\xff"):
            term.proclaim(value)
            assert term.value == value
            leader = other.leader(term.election)
            assert leader is not None
            assert (leader.value, leader.token) == (value, term.token)
        with pytest.raises(ValueError, match="4,096 bytes at most"):
            term.proclaim(bytes(4_097))
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(term.proclaim, (b"%d" % number for number in range(40))))
        leader = other.leader(term.election)
        assert leader is not None
        assert leader.value == term.value
    with pytest.raises(LeadershipLost):
        term.proclaim(b"late")


@pytest.mark.parametrize("how", ["kill", "drain", "freeze"])
def test_proclaim_across_a_switch(gateways: Gateways, how: str) -> None:
    """What is being proclaimed goes along with the term, and what was proclaimed stays."""
    one, two = gateways.begin(), gateways.begin()
    with (
        Client([one.serving().grpc, two.serving().grpc]) as client,
        client.campaign(an_election(), ttl=3, value=b"first") as term,
        ThreadPoolExecutor() as threads,
    ):
        token = term.token
        term.proclaim(b"second")
        {"kill": one.kill, "drain": one.terminate, "freeze": one.freeze}[how]()
        threads.submit(term.proclaim, b"third").result(3 + 2)
        leader = client.leader(term.election)
        assert leader is not None
        assert (leader.value, leader.token) == (b"third", token)
        assert (term.value, term.token, term.held) == (b"third", token, True)


def test_terms_go_on_after_a_loss(client: Client, other: Client) -> None:
    tokens = []
    for term in client.terms(an_election(), value=b"here"):
        with term:
            tokens.append(term.token)
            assert (term.held, term.value) == (True, b"here")
            if len(tokens) == 4:
                break
            if len(tokens) % 2:
                other.resign(term.election, term.credential)
                assert term.lost.wait(5)
                assert term.reason in ("RESIGNED", "SUPERSEDED", "BACKEND_LOST")  # it moved first
                assert not term.held
    assert all(one < next_ for one, next_ in pairwise(tokens))
    assert client.leader(term.election) is None


def test_terms_of_two_take_turns(client: Client, other: Client) -> None:
    election, tokens = an_election(), []

    def lead(each: Client) -> None:
        for number, term in enumerate(each.terms(election)):
            with term:
                tokens.append(term.token)
            if number == 9:
                return

    with ThreadPoolExecutor() as threads:
        list(threads.map(lead, (client, other)))
    assert len(set(tokens)) == 20
    assert tokens == sorted(tokens), "no body ran while another's term was on"


def test_the_limits_of_an_election_and_a_candidate(client: Client) -> None:
    longest = "/".join(["a" * 31] * 8)
    with client.campaign(longest, candidate="\u00e4" * 128) as term:
        leader = client.leader(longest)
        assert leader is not None
        assert leader.candidate == term.candidate == "\u00e4" * 128
    for wrong in ("", "a//b", "a/../b", "/a", "a" * 64, longest + "/a", "caf\u00e9", "a b"):
        with pytest.raises(incumbent.InvalidArgument, match="election"):
            client.campaign(wrong).__enter__()
    for wrong in ("\u00e4" * 129, "line\nbreak", "\x00"):
        with pytest.raises(incumbent.InvalidArgument, match="candidate"):
            client.campaign(an_election(), candidate=wrong).__enter__()
    with client.campaign(an_election()) as term:
        assert term.candidate.startswith("candidate-")


def test_a_refusal_is_told_as_it_is_after_failures_elsewhere(gateways: Gateways) -> None:
    """What counts is the last word, also of one who had been out of reach before."""
    one = gateways.start()
    address = one.grpc
    one.kill()
    with Client([address, "127.0.0.1:1"], timeout=30) as client, ThreadPoolExecutor() as threads:
        campaigning = threads.submit(client.campaign("a//b").__enter__)
        gateways.start("--listen", address)
        told = campaigning.exception(10)
        assert isinstance(told, incumbent.InvalidArgument)
        assert told.reason == "INVALID_FIELD"


def test_many_threads_on_one_client(client: Client) -> None:
    """Each of them campaigns, calls, proclaims and observes; several for the same elections."""
    elections = [an_election() for _ in range(8)]
    tokens: dict[str, list[int]] = {election: [] for election in elections}

    def work(number: int) -> None:
        election = elections[number % len(elections)]
        for _ in range(3):
            with client.campaign(election, ttl=5) as term:
                tokens[election].append(term.token)
                term.proclaim(b"%d" % number)
                assert client.verify(election, term.token)
                seen = next(iter(client.observe(election)))
                assert seen.leader is not None
                assert seen.leader.token == term.token

    with ThreadPoolExecutor(32) as threads:
        list(threads.map(work, range(32)))
    for led in tokens.values():
        assert led == sorted(set(led))
        assert len(led) == 12


def test_two_clients_in_one_process(gateway: Gateway, neighbour: Gateway) -> None:
    """Nothing of the one is the other's: one is closed, the other leads on."""
    with Client(gateway.grpc) as one, Client(neighbour.grpc) as two:
        first, term = one.campaign(an_election(), ttl=1), two.campaign(an_election(), ttl=1)
        with first, term:
            assert first.token != term.token
            one.close()
            assert not first.held
            assert not term.lost.wait(2)
            assert term.held
    assert "incumbent-client" not in {thread.name for thread in threading.enumerate()}
