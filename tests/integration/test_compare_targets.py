"""The stores of the comparison, each a real one: what it counts, who elects there, what is left."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from incumbent_compare.contender import Peer
from incumbent_compare.doomed import doomed
from incumbent_compare.setting import opened
from incumbent_compare.targets import TARGETS, Target
from tests.servers import shared, shared_consul, shared_etcd

URLS: dict[str, Callable[[], str]] = {
    "memory": lambda: "memory://",
    "sqlite": lambda: "sqlite://",
    "postgres": lambda: shared("postgres").url(),
    "postgres+advisory": lambda: shared("postgres").url().replace(":", "+advisory:", 1),
    "etcd": lambda: shared_etcd("etcd-3.6").url(),
    "consul": lambda: shared_consul().url(),
}
WITH_PEERS = [name for name in TARGETS if name != "memory"]
SERVERS = [name for name in WITH_PEERS if name != "sqlite"]
ELECTION = "test/peers"


@pytest.fixture
async def target(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Target]:
    name = request.param
    made = TARGETS[name](TARGETS[name].check(URLS[name]()), tmp_path)
    version = await made.prepare()
    assert version or name == "memory"
    yield made
    await made.close()


def peers(target: Target) -> list[Peer]:
    assert target.peers
    return [peer for peer in target.peers if peer.elects]


@pytest.mark.parametrize("target", WITH_PEERS, indirect=True)
async def test_one_peer_leads_at_a_time(target: Target) -> None:
    for peer in peers(target):
        async with opened(peer.open, peer.open) as (one, other):
            await one.campaign(ELECTION)
            waiting = asyncio.create_task(other.campaign(ELECTION))
            await asyncio.sleep(0.3)
            assert not waiting.done()
            if peer.renews:
                await one.renew(ELECTION)
            await one.resign(ELECTION)
            if peer.polls:  # it looks only after seconds: another one need not wait for that
                waiting.cancel()
                await asyncio.wait([waiting])
                waiting = asyncio.create_task(other.campaign(ELECTION))
            async with asyncio.timeout(10):
                await waiting
            await other.resign(ELECTION)


@pytest.mark.parametrize("target", WITH_PEERS, indirect=True)
async def test_a_peer_leads_in_a_process_of_its_own_until_that_is_killed(target: Target) -> None:
    for peer in peers(target):
        async with (
            doomed(peer.open, [ELECTION, f"{ELECTION}-other"]) as process,
            opened(peer.open) as (other,),
        ):
            waiting = asyncio.create_task(other.campaign(ELECTION))
            await asyncio.sleep(0.3)
            assert not waiting.done()
            process.kill()
            waiting.cancel()
            await asyncio.wait([waiting])


@pytest.mark.parametrize("target", WITH_PEERS, indirect=True)
async def test_what_a_peer_writes_is_counted(target: Target) -> None:
    async with opened(peers(target)[0].open) as (peer,):
        await peer.campaign(ELECTION)
        await peer.resign(ELECTION)
        before = await target.count()
        for _ in range(10):
            await peer.campaign(ELECTION)
            await peer.resign(ELECTION)
        done = await target.count() - before
    if target.name == "postgres+advisory":  # a lock writes nothing
        assert done.writes < 20
    else:
        assert done.writes >= 20
    if target.name == "etcd":
        assert done.requests is not None
        assert done.requests >= 20
    if target.name in ("sqlite", "postgres", "etcd"):
        assert done.log_bytes is not None
        assert done.log_bytes > 20 * 32


@pytest.mark.parametrize("target", SERVERS, indirect=True)
async def test_the_process_of_a_server_here_is_found(target: Target) -> None:
    assert (target.cpu() or 0) > 0


@pytest.mark.parametrize("target", list(TARGETS), indirect=True)
async def test_nothing_that_is_to_be_forgotten_need_be_there(target: Target) -> None:
    await target.forget("nobody-had-this-one")
    assert (await target.count()).writes >= 0
    await target.watches()


async def test_what_gateways_and_peers_left_on_a_server_is_gone(tmp_path: Path) -> None:
    server = shared_etcd("etcd-3.6")
    server.say("kv/put", key="incumbent/gone/marker", value="1")
    server.say("kv/put", key="incumbent/stays/marker", value="1")
    server.say("kv/put", key="incumbent-compare/some", value="1")
    target = TARGETS["etcd"](server.url(), tmp_path)
    await target.prepare()
    await target.forget("gone")
    await target.close()
    for key, count in (("incumbent/gone/marker", 0), ("incumbent-compare/some", 0)):
        assert int(server.say("kv/range", key=key).get("count", 0)) == count
    assert int(server.say("kv/range", key="incumbent/stays/marker")["count"]) == 1
