"""Gateways on Consul: what hands and faults do to it, and what ends the start."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from grpc import StatusCode

from incumbent.v1 import election_service_pb2 as pb
from tests.certificates import authority, signed
from tests.clients import Streams, a_credential, an_election, connected
from tests.disks import filled, small_disk
from tests.figures import Figures
from tests.gateways import Gateways, gateways_in
from tests.integration.consul_store import ACL, MANAGEMENT, token_for
from tests.servers import Consul, consul, consul_cluster, shared_consul
from tests.stores import gateways_on

STORE = "consul"


@pytest.fixture
def store() -> Consul:
    return shared_consul()


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[Gateways]:
    with gateways_on("consul", tmp_path) as gateways:
        yield gateways


async def test_namespaces_are_worlds_of_their_own(gateways: Gateways, streams: Streams) -> None:
    election = an_election()
    for namespace in ("here", "there"):
        gateway = await gateways.launch("--namespace", namespace)
        leader = await streams.candidate(gateway.grpc, election)
        assert await leader.leads()


@pytest.mark.parametrize("how", ["session destroyed", "key deleted", "key overwritten"])
async def test_what_is_done_by_hand_is_lost_within_a_second(
    store: Consul, gateways: Gateways, streams: Streams, figures: Figures, how: str
) -> None:
    gateway = await gateways.launch("--backend-ttl", "15s")
    election = an_election()
    leader = await streams.candidate(gateway.grpc, election)
    token = await leader.leads()
    key = f"/v1/kv/incumbent/incumbent/term/{election}"
    began = time.monotonic()
    if how == "session destroyed":
        (session,) = store.sessions("incumbent/incumbent")
        store.call("PUT", f"/v1/session/destroy/{session}")
    elif how == "key deleted":
        store.call("DELETE", key)
    else:
        store.call("PUT", key, b"by hand")
    assert await leader.lost() == "BACKEND_LOST"
    figures(f"Consul: {how} to LOST", time.monotonic() - began, 1.0)
    assert time.monotonic() - began < 1.0 + 2.0
    again = await streams.candidate(gateway.grpc, election)
    assert await again.leads() > token


async def test_a_dead_client_costs_its_own_ttl(
    gateways: Gateways, streams: Streams, figures: Figures
) -> None:
    """Although Consul keeps the session of a dead gateway for 20 s at the least, by default."""
    one, two = await gateways.pair("--backend-ttl", "10s")
    election = an_election()
    leader = await streams.by_hand(one.grpc, election, credential=a_credential(), ttl=1)
    token = await leader.leads()
    waiting = await streams.candidate(two.grpc, election, ttl=1)
    await waiting.waits()
    await leader.heartbeat()
    began = time.monotonic()  # nothing more is sent
    assert await waiting.leads(1.25 + 2) > token
    figures("Consul: a silent KEEP client of ttl 1 s: a successor", time.monotonic() - began, 1.25)


async def test_the_effective_ttl_is_told(gateways: Gateways) -> None:
    gateway = await gateways.launch("--backend-ttl", "15s")
    async with connected(gateway.grpc) as calls:
        told = await calls.GetBackend(pb.GetBackendRequest())
    assert told.kind == "consul"
    assert told.failover_gateway_crash.ToTimedelta().total_seconds() == 30.5
    assert told.survives_gateway
    assert told.survives_restart


async def test_a_restart_of_the_server_costs_no_term(
    tmp_path: Path, streams: Streams, figures: Figures
) -> None:
    """Fault 9: kill -9 of a Consul with a data folder, away for two seconds."""
    with consul(data=True) as server, gateways_in(tmp_path, server.url()) as gateways:
        gateway = await gateways.launch("--backend-ttl", "15s")
        credential = a_credential()
        leader = await streams.candidate(gateway.grpc, an_election(), credential=credential, ttl=15)
        token = await leader.leads()
        began = time.monotonic()
        await asyncio.to_thread(server.kill)
        refused = await streams.by_hand(gateway.grpc, an_election(), no_wait=True)
        told = await refused.end()
        assert (told.code, told.reason) == (StatusCode.UNAVAILABLE, "BACKEND_UNAVAILABLE")
        assert not any(word in repr(told) for word in (str(server.port), "127."))
        await asyncio.sleep(1)
        await asyncio.to_thread(server.start)
        figures("Consul: away for so long, and no term lost", time.monotonic() - began, 5.0)
        next_one = await streams.candidate(gateway.grpc, an_election())
        assert await next_one.leads() > token
        answer = await leader.answered()
        assert (answer.state, answer.term.token) == (pb.STATE_LEADING, token)


async def test_a_full_disk(tmp_path: Path, streams: Streams) -> None:
    """Fault 13: a leader of Consul that cannot write steps down; nothing is granted meanwhile."""
    server = Consul(data=True)
    try:
        with (
            small_disk(server.folder / "data", 32) as disk,
            gateways_in(tmp_path, server.start().url()) as gateways,
        ):
            gateway = await gateways.launch("--backend-ttl", "3s")
            leader = await streams.candidate(gateway.grpc, an_election(), ttl=10)
            token = await leader.leads()
            with filled(disk):
                large = bytes(4096)  # more than the last page of Consul's log has room for
                waiting = await streams.candidate(gateway.grpc, an_election(), ttl=10, value=large)
                await leader.state(pb.STATE_JEOPARDY, 3 + 2)
                line = await gateway.line("store trouble")
                assert "Consul" in line["error"]
                assert {each.state for each in waiting.heard} == {pb.STATE_WAITING}
            async with asyncio.timeout(5):  # Consul may have its leader again in time, or not
                while leader.ending is None and leader.heard[-1].state != pb.STATE_LEADING:
                    await asyncio.sleep(0.02)
            if leader.ending is None:
                assert (await leader.answered()).term.token == token
            else:
                assert await leader.lost() == "BACKEND_LOST"
            await asyncio.to_thread(gateway.serving)
            successor = await streams.candidate(gateway.grpc, an_election())
            assert await successor.leads() > token
            server.kill()
    finally:
        server.remove()


async def test_a_cluster_without_a_leader(
    tmp_path: Path, streams: Streams, figures: Figures
) -> None:
    """Faults 10 and 14: one of three dies, and nothing is lost; then another one dies."""
    with consul_cluster() as cluster:
        leading = cluster.leader
        here, other = [member for member in cluster.members if member is not leading]
        with gateways_in(tmp_path, here.url()) as gateways:
            gateway = await gateways.launch("--backend-ttl", "8s")
            election = an_election()
            leader = await streams.candidate(gateway.grpc, election, ttl=8)
            token = await leader.leads()
            began = time.monotonic()
            await asyncio.to_thread(leading.kill)
            next_one = await streams.candidate(gateway.grpc, an_election())
            await next_one.leads(10)
            figures("Consul: leader killed until another bid is won", time.monotonic() - began)
            assert (await leader.answered()).term.token == token
            began = time.monotonic()
            await asyncio.to_thread(other.kill)
            await leader.until(lambda response: response.state == pb.STATE_JEOPARDY)
            assert await leader.lost(8 + 2) == "BACKEND_LOST"
            assert not leader.believes()
            figures("Consul: no leader: told LOST", time.monotonic() - began, 8.0)
            await asyncio.to_thread(other.start)
            await asyncio.to_thread(gateway.serving)
            successor = await streams.candidate(gateway.grpc, election)
            assert await successor.leads(25) > token


def test_what_will_not_do_ends_the_start(tmp_path: Path) -> None:
    ca, stranger, secret = authority(tmp_path), authority(tmp_path, "stranger"), str(uuid4())
    made = signed(tmp_path, ca, "server", host="IP:127.0.0.1")
    https = {"cert_file": str(made.certificate), "key_file": str(made.key)}
    with (
        consul(settings=ACL | {"tls": {"https": https}}, https=True, token=MANAGEMENT) as server,
        gateways_in(tmp_path, "") as gateways,
    ):
        few, _ = token_for(server, "")
        encrypted = {"scheme": "consuls", "ca": str(ca.certificate)}
        refused = [
            (server.url(secret, **encrypted), "does not know this ACL token"),
            (server.url(few, **encrypted), "lacks a right"),
            (server.url(**encrypted | {"ca": str(stranger.certificate)}), "has signed Consul's"),
        ]
        for store, why in refused:
            told = gateways.refused(store=store)
            assert why in told
            assert not any(word in told for word in (secret, few, MANAGEMENT))
        short = gateways.refused("--backend-ttl", "2s", store=server.url(session_ttl_min="10s"))
        assert "10s" in short
        assert MANAGEMENT not in short


def test_another_http_server_is_no_consul(gateways: Gateways) -> None:
    other = gateways.start(store="memory://")
    sentence = gateways.refused(store=other.http.replace("http", "consul", 1))
    assert "not a Consul" in sentence
