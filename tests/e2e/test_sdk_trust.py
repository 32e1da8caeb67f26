"""What `on_trust` of a campaign is told: every change of what the process may believe, in time."""

import asyncio
import logging
import math
import threading
import time

import pytest

import incumbent
from incumbent import Trust
from incumbent._clock import boottime
from tests.clients import an_election
from tests.gateways import Gateway, Gateways


class Told:
    """Keeps what it is told, and on which thread."""

    def __init__(self) -> None:
        self.changes: list[Trust] = []
        self.threads: set[str] = set()
        self._news = threading.Condition()

    def __call__(self, change: Trust) -> None:
        with self._news:
            self.changes.append(change)
            self.threads.add(threading.current_thread().name)
            self._news.notify_all()

    def wait(self, count: int) -> None:
        with self._news:
            assert self._news.wait_for(lambda: len(self.changes) >= count, 10)


def test_trust_begins_moves_and_is_over_before_the_resign(gateway: Gateway) -> None:
    told, election, seen = Told(), an_election(), list[incumbent.Leader | None]()
    with incumbent.Client(gateway.grpc) as client, incumbent.Client(gateway.grpc) as other:

        def on_trust(change: Trust) -> None:
            told(change)
            if change.until == -math.inf:
                seen.append(other.leader(election))

        before = boottime()
        with client.campaign(election, ttl=1, on_trust=on_trust) as term:
            began = boottime()
            assert told.changes
            told.wait(3)
        left = boottime()
    first, *moved, over = told.changes
    assert before <= first.at <= began
    assert {change.token for change in told.changes} == {term.token}
    assert all(a.until < b.until for a, b in zip([first, *moved], moved, strict=False))
    assert all(change.at < change.until <= change.at + 1 for change in [first, *moved])
    assert moved[-1].at <= over.at <= left
    assert not any(change.reason for change in told.changes)
    assert seen
    assert seen[0] is not None, "the end was told after the resign"
    assert told.threads == {"incumbent-client"}


def test_a_loss_is_told_with_its_reason(gateway: Gateway) -> None:
    told, election = Told(), an_election()
    with incumbent.Client(gateway.grpc) as client:
        with client.campaign(election, on_trust=told) as term:
            client.resign(election, term.credential)
            told.wait(2)
            assert not term.held
        assert [change.reason for change in told.changes] == ["", "RESIGNED"]


def test_trust_that_runs_out_is_told_once(gateways: Gateways) -> None:
    gateway, told = gateways.start(), Told()
    with (
        incumbent.Client(gateway.grpc) as client,
        client.campaign(an_election(), ttl=1, on_trust=told) as term,
    ):
        gateway.freeze()
        try:
            assert term.lost.wait(5)
        finally:
            gateway.thaw()
    over = told.changes[-1]
    assert (over.until, over.reason) == (-math.inf, "TRUST_EXPIRED")
    assert told.changes[-2].until <= over.at
    assert sum(change.until == -math.inf for change in told.changes) == 1


def test_who_waits_is_told_nothing(gateway: Gateway) -> None:
    told, election = Told(), an_election()
    with (
        incumbent.Client(gateway.grpc) as client,
        client.campaign(election),
        pytest.raises(incumbent.CampaignTimeout),
        client.campaign(election, timeout=0.3, on_trust=told),
    ):
        pass
    assert not told.changes


def test_what_it_raises_is_logged_and_does_no_harm(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(change: Trust) -> None:
        raise OSError("no space left")

    with (
        caplog.at_level(logging.ERROR, "incumbent"),
        incumbent.Client(gateway.grpc) as client,
        client.campaign(an_election(), ttl=1, on_trust=fails) as term,
    ):
        first = term.until
        deadline = time.monotonic() + 10
        while term.until == first:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert term.held
    assert "on_trust failed" in caplog.text


async def test_the_twin_for_asyncio_is_told_on_the_clients_thread_too(gateway: Gateway) -> None:
    told, election = Told(), an_election()
    async with incumbent.AsyncClient(gateway.grpc) as client:
        async for term in client.terms(election, ttl=1, on_trust=told):
            async with term:
                await asyncio.to_thread(told.wait, 2)
                break
    assert len({change.token for change in told.changes}) == 1
    assert told.threads == {"incumbent-client"}
