"""Three Consul servers: a leader that dies, that freezes and wakes, and no leader at all."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest

from incumbent_backends.api import Claim, Snapshot, Term, Unavailable
from incumbent_backends.consul import Consul
from incumbent_server.clock import System
from tests.integration.consul_store import build, eventually
from tests.integration.verbs import SECOND, lead
from tests.servers import Cluster, consul_cluster

STORE = "consul"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with consul_cluster() as members:
        yield members


async def test_a_leader_that_is_killed_costs_no_term_and_no_leader_grants_nothing(
    cluster: Cluster, namespace: str
) -> None:
    leader = cluster.leader
    others = [member for member in cluster.members if member is not leader]
    async with build(others[0].url(), namespace) as backend:
        term = await lead(backend)
        keep = [Claim("e", term.token)]
        leader.kill()
        assert (await eventually(lambda: backend.renew(keep))).survivors == set(keep)
        assert (await backend.read("e")).term == term
        second = await lead(backend, "second")
        assert second.token > term.token
        others[1].kill()  # one of three is no majority
        verbs = (
            backend.renew(keep),
            backend.read("e"),
            lead(backend, "third"),
            backend.release(term),
        )
        outcomes = await asyncio.gather(*verbs, return_exceptions=True)
        assert all(isinstance(outcome, Unavailable) for outcome in outcomes), outcomes
        others[1].begin()
        keep.append(Claim("second", second.token))
        assert (await eventually(lambda: backend.renew(keep))).survivors == set(keep)
        assert (await lead(backend, "third")).token > second.token


async def test_a_leader_that_was_frozen_renews_nothing_when_it_wakes(
    cluster: Cluster, namespace: str
) -> None:
    """Its timers stood still, and it does not know yet that it leads no more."""
    leader = cluster.leader
    other = next(member for member in cluster.members if member is not leader)
    frozen = build(leader.url(), namespace, backend_ttl=SECOND, clock=System())
    await frozen.__aenter__()
    term = await lead(frozen)
    async with build(other.url(), namespace, clock=System()) as living:
        leader.freeze()
        successor = await succeeded(living)
        assert successor.token > term.token
        renewal = asyncio.create_task(frozen.renew([Claim("e", term.token)]))
        await asyncio.sleep(0.1)  # it waits in the socket of the frozen one
        leader.thaw()
        with suppress(Unavailable):
            assert (await renewal).survivors == frozenset()
        assert (await eventually(lambda: frozen.read("e"))).term == successor
    await frozen.__aexit__(None, None, None)


async def succeeded(living: Consul) -> Term:
    """Bid until the term of the silent gateway has ended."""
    async with asyncio.timeout(20):
        while True:
            try:
                after = await living.acquire(
                    "e", holder="b" * 64, attempt=1, candidate="", value=b""
                )
            except Unavailable:
                after = Snapshot("e", None, None)
            if after.term is not None and after.term.session == living.session:
                return after.term
            await asyncio.sleep(0.05)
