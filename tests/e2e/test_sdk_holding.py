"""What the SDK's core promises, on real gateways: a term is held through what does not end it."""

import signal
import time

import pytest

import incumbent
from tests.clients import an_election
from tests.gateways import Gateways

TTL = 2.0


def is_held_for(term: incumbent.Term, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while term.held and time.monotonic() < deadline:
        time.sleep(0.01)
    return term.held


def test_a_leader_that_proclaims_all_the_time_goes_on_leading(gateways: Gateways) -> None:
    """Each confirmation is a message that nobody asked for; heartbeats go out all the same."""
    with (
        incumbent.Client(gateways.start().grpc) as client,
        client.campaign(an_election(), ttl=1.0) as term,
    ):
        deadline = time.monotonic() + 2.5
        while time.monotonic() < deadline:
            term.proclaim(str(time.monotonic()).encode())
            time.sleep(0.05)
        assert term.held, term.reason


@pytest.mark.parametrize("on_disconnect", list(incumbent.OnDisconnect))
def test_a_term_outlives_its_gateway(
    gateways: Gateways, on_disconnect: incumbent.OnDisconnect
) -> None:
    """Once drained, once frozen: the stream does not break, so it moves under RELEASE too."""
    first, second, third = (gateways.start() for _ in range(3))
    addresses = [first.grpc, second.grpc, third.grpc]
    with (
        incumbent.Client(addresses) as client,
        client.campaign(an_election(), ttl=TTL, on_disconnect=on_disconnect) as term,
    ):
        token = term.token
        first.process.send_signal(signal.SIGTERM)
        assert is_held_for(term, 2 * TTL), term.reason
        second.process.send_signal(signal.SIGSTOP)
        try:
            assert is_held_for(term, 2 * TTL), term.reason
        finally:
            second.process.send_signal(signal.SIGCONT)
        assert is_held_for(term, TTL), term.reason  # what the thawed one says does not matter
        assert term.token == token
