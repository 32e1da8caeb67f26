"""A cluster of three: members that die, freeze or lose each other."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from incumbent_backends.api import Backend, Claim, Unavailable
from tests.integration.etcd_store import build, eventually
from tests.integration.verbs import SECOND, lead, watching
from tests.servers import Etcd, etcd_cluster


@pytest.fixture
def members() -> Iterator[list[Etcd]]:
    with etcd_cluster() as members:
        yield members


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


async def test_a_watch_moves_with_the_calls(members: list[Etcd], namespace: str) -> None:
    used, *others = leader_first(members)[::-1]
    async with build(url_of([used, *others]), namespace, backend_ttl=6 * SECOND) as backend:
        async with watching(backend) as watch:
            used.freeze()
            with pytest.raises(Unavailable):
                await backend.read("e")
            with pytest.raises(Unavailable):  # at once, not when its own silence is noticed
                await watch.until("e", None, 1.0)
        async with watching(backend) as anew:
            term = await eventually(lambda: lead(backend))
            await anew.until("e", term.token)
        used.thaw()
