"""A cluster of three: members that die, freeze or lose each other."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from incumbent_backends.api import Backend, Claim, Unavailable
from tests.darkness import Place, place
from tests.integration.etcd_store import build, eventually
from tests.integration.verbs import SECOND, lead, watching
from tests.proxies import proxied
from tests.servers import Etcd, etcd_cluster, shared_etcd
from tests.servers.etcd import running
from tests.servers.server import START


@pytest.fixture
def members() -> Iterator[list[Etcd]]:
    with etcd_cluster() as members:
        yield members


QUICK: dict[str, Any] = {"election_timeout": 300, "heartbeat_interval": 30}


def leader_first(members: list[Etcd]) -> list[Etcd]:
    return sorted(members, key=lambda member: not member.leads())


def url_of(members: list[Etcd]) -> str:
    return f"etcd://{','.join(member.address for member in members)}"


async def renewed(backend: Backend, claim: Claim) -> float:
    """Renew until it is answered, as the core does; return the seconds that it took."""
    began = time.monotonic()
    renewal = await eventually(lambda: backend.renew([claim]))
    assert renewal.survivors == {claim}
    return time.monotonic() - began


@pytest.mark.parametrize("how", ["killed", "frozen"])
@pytest.mark.parametrize("which", [0, 1], ids=["the leader", "a follower"])
async def test_the_member_in_use_goes(
    members: list[Etcd], namespace: str, how: str, which: int
) -> None:
    """Whoever it is, the next one is asked in time for a backend ttl of 6 s."""
    ordered = leader_first(members)
    used = ordered[which]
    url = url_of([used, *(each for each in members if each is not used)])
    async with build(url, namespace, backend_ttl=6 * SECOND) as backend:
        term = await lead(backend)
        claim = Claim("e", term.token)
        if how == "killed":
            await asyncio.to_thread(used.kill)
        else:
            used.freeze()
        took = await renewed(backend, claim)
        assert took < 6.0
        print(f"{how}: renewed after {took:.2f} s")
        assert (await eventually(lambda: lead(backend, "f"))).token > term.token
        if how == "frozen":
            used.thaw()
        assert (await backend.read("e")).term == term


async def test_a_cluster_without_a_quorum_grants_nothing_and_recovers(
    members: list[Etcd], namespace: str
) -> None:
    async with build(url_of(members), namespace) as backend:
        term = await lead(backend)
        for member in members[1:]:
            await asyncio.to_thread(member.kill)
        for call in (lambda: lead(backend, "f"), lambda: backend.read("e")):
            with pytest.raises(Unavailable):
                await call()
        with pytest.raises(Unavailable):
            await backend.renew([Claim("e", term.token)])
        for member in members[1:]:
            await asyncio.to_thread(member.start)
        await renewed(backend, Claim("e", term.token))
        assert (await eventually(lambda: lead(backend, "f"))).token > term.token


async def test_a_watch_moves_with_the_calls(namespace: str) -> None:
    """From a member that is late for every call: its watch goes on, late, and is left at once."""
    address = shared_etcd("etcd-3.6").address
    async with (
        proxied(address) as late,
        proxied(address) as other,
        build(f"etcd://{late.target},{other.target}", namespace, backend_ttl=6 * SECOND) as backend,
    ):
        async with watching(backend) as watch:
            late.answers.delay = 1.4
            with pytest.raises(Unavailable, match="in time"):
                await backend.read("e")
            with pytest.raises(Unavailable, match="given up"):
                await watch.until("e", None, 0.5)
        async with watching(backend) as anew:
            term = await lead(backend)
            await anew.until("e", term.token)


@contextmanager
def a_member_elsewhere(somewhere: Place) -> Iterator[list[Etcd]]:
    """A cluster of three, the first of which is somewhere where it can be cut off."""
    here, there = somewhere.here, somewhere.there
    far = Etcd(host=there, peers=there, before=somewhere.command(), **QUICK)
    members = [far, *(Etcd(peers=here, **QUICK) for _ in range(2))]
    with running(members):
        yield members


async def test_a_member_that_its_cluster_has_lost(
    namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """We reach it, the others do not: it says that it has no leader, and its watch ends."""
    with place() as somewhere:
        monkeypatch.setenv("no_proxy", f"127.0.0.1,localhost,{somewhere.there}")
        with a_member_elsewhere(somewhere) as members:
            far, *others = members
            async with build(url_of(members), namespace, backend_ttl=6 * SECOND) as backend:
                term = await lead(backend)
                async with watching(backend) as watch:
                    somewhere.darken(int(far.peer.rpartition(":")[2]), served="there")
                    for other in others:
                        somewhere.darken(int(other.peer.rpartition(":")[2]))
                    with pytest.raises(Unavailable):  # by itself, as no call is made meanwhile
                        await watch.until("e", None, 10.0)
                await renewed(backend, Claim("e", term.token))
                async with watching(backend) as anew:
                    assert anew.first == {"e": term}


@contextmanager
def a_learner() -> Iterator[tuple[Etcd, Etcd]]:
    """A member that only learns, and the one that votes."""
    voter, learner = Etcd(), Etcd(initial_cluster_state="existing")
    try:
        voter.start().say("cluster/member/add", peerURLs=[learner.peer], isLearner=True)
        learner.cluster = [voter, learner]
        learner.start()
        give_up = time.monotonic() + START
        while not learner.learns():
            assert time.monotonic() < give_up, learner.log()
            time.sleep(0.02)
        yield learner, voter
    finally:
        learner.remove()
        voter.remove()


async def test_a_learner_is_passed_over(namespace: str) -> None:
    with a_learner() as (learner, voter):
        url = f"etcd://{learner.address},{voter.address}"
        async with build(url, namespace) as backend, watching(backend) as watch:
            term = await lead(backend)
            await watch.until("e", term.token)
            assert (await backend.renew([Claim("e", term.token)])).survivors
        with pytest.raises(Unavailable, match="is a learner: name others"):
            await build(f"etcd://{learner.address}", namespace).__aenter__()
