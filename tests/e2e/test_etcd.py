"""Gateways on etcd: what hands and faults do to it, and what ends the start."""

import asyncio
import time
import urllib.error
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

import pytest

from incumbent.v1 import election_service_pb2 as pb
from tests.certificates import authority
from tests.clients import Streams, a_credential, an_election, connected, now
from tests.figures import Figures
from tests.gateways import Gateways, gateways_in
from tests.integration.etcd_store import tls, with_users
from tests.servers import Etcd, etcd, etcd_cluster, shared, shared_etcd
from tests.stores import gateways_on


@pytest.fixture
def store() -> Etcd:
    return shared_etcd("etcd-3.6")


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[Gateways]:
    with gateways_on("etcd", tmp_path) as gateways:
        yield gateways


@pytest.mark.parametrize("hand", ["lease revoked", "key deleted", "key overwritten"])
async def test_a_hand_in_etcd_is_lost_within_a_second(
    hand: str, gateways: Gateways, store: Etcd, streams: Streams, figures: Figures
) -> None:
    gateway = await gateways.launch("--backend-ttl", "15s")
    election = an_election()
    key = f"incumbent/incumbent/term/{election}"
    leader = await streams.candidate(gateway.grpc, election)
    token = await leader.leads()
    (kv,) = store.say("kv/range", key=key)["kvs"]
    began = time.monotonic()
    if hand == "lease revoked":
        store.say("lease/revoke", ID=kv["lease"])
    elif hand == "key deleted":
        store.say("kv/deleterange", key=key)
    else:
        store.say("kv/put", key=key, value="mine")
    assert await leader.lost() == "BACKEND_LOST"
    took = time.monotonic() - began
    figures(f"etcd: {hand} to LOST", took, 1.0)
    assert took < 1.0 + 2.0
    again = await streams.candidate(gateway.grpc, election)
    assert await again.leads() > token


async def test_a_silent_leader_is_replaced_after_its_own_ttl(
    gateways: Gateways, streams: Streams, figures: Figures
) -> None:
    """Its ttl of 1 s counts, not etcd's floor of 2 s: the gateway ends the term."""
    one, two = await gateways.pair()
    election = an_election()
    leader = await streams.candidate(
        one.grpc, election, ttl=1, credential=a_credential(), on_disconnect=pb.ON_DISCONNECT_KEEP
    )
    token = await leader.leads()
    waiting = await streams.candidate(two.grpc, election, ttl=1)
    await waiting.waits()
    await leader.cut()
    began = time.monotonic()
    assert await waiting.leads() > token
    took = time.monotonic() - began
    figures("etcd: client with KEEP and ttl 1 s gone, the next one leads elsewhere", took, 1.25)
    assert took < 1.25 + 2.0


async def test_what_etcd_promises_is_told(gateways: Gateways) -> None:
    gateway = await gateways.launch("--backend-ttl", "2500ms")
    async with connected(gateway.grpc) as calls:
        told = await calls.GetBackend(pb.GetBackendRequest())
    assert told.kind == "etcd"
    assert told.min_backend_ttl.seconds == 2
    assert told.backend_ttl.ToMilliseconds() == 3000
    assert gateway.await_line("the store grants another ttl")["backend_ttl"] == "3s"
    assert told.failover_gateway_crash.ToMilliseconds() == 3000 + 1000  # 3 s were granted
    sentence = gateways.refused("--backend-ttl", "1s")
    assert "--backend-ttl must be 2s to 1h for etcd" in sentence


def test_another_mechanism_ends_the_start(gateways: Gateways, store: Etcd) -> None:
    store.say("kv/put", key="incumbent/incumbent/marker", value="abacus 7")
    sentence = gateways.refused()
    assert "abacus 7" in sentence
    assert "etcd-lease" in sentence


async def test_a_cluster_that_loses_its_quorum_and_a_leader_that_freezes(
    tmp_path: Path, streams: Streams, figures: Figures
) -> None:
    """A frozen leader of etcd costs no term; without a quorum: JEOPARDY, LOST, then recovery."""
    with etcd_cluster() as members, gateways_in(tmp_path) as gateways:
        first, *others = sorted(members, key=lambda member: not member.leads())
        gateways.store = f"etcd://{','.join(each.address for each in (first, *others))}"
        gateway = await gateways.launch("--backend-ttl", "6s")
        election = an_election()
        leader = await streams.candidate(gateway.grpc, election, ttl=6)
        token = await leader.leads()
        first.freeze()
        await leader.believes_beyond(now() + 6)  # as another member has renewed the lease
        assert leader.heard[-1].term.token == token
        first.thaw()
        for member in members[1:]:
            member.kill()
        began = time.monotonic()
        await leader.state(pb.STATE_JEOPARDY, 6)
        assert await leader.lost(6 + 2) == "BACKEND_LOST"
        figures("etcd without a quorum, backend ttl 6 s: LOST", time.monotonic() - began, 6.0)
        assert not leader.believes()
        for member in members[1:]:
            await asyncio.to_thread(member.start)
        await asyncio.to_thread(gateway.serving)
        again = await streams.candidate(gateway.grpc, election)
        assert await again.leads(30) > token


async def test_an_etcd_without_space(tmp_path: Path, streams: Streams) -> None:
    """Fault 13: nothing is granted, what is held is kept; when it has been mended all goes on."""
    with (
        etcd(quota_backend_bytes=2 * 1024 * 1024) as server,
        gateways_in(tmp_path, server.url()) as gateways,
    ):
        gateway = await gateways.launch("--backend-ttl", "2s")
        leader = await streams.candidate(gateway.grpc, an_election(), ttl=10)
        token = await leader.leads()
        with suppress(urllib.error.HTTPError):
            while True:
                server.say("kv/put", key="filler", value="x" * 500_000)
        waiting = await streams.candidate(gateway.grpc, an_election(), ttl=10)
        line = await gateway.line("store trouble")
        assert "NOSPACE" in line["error"]
        await leader.believes_beyond(now() + 2)
        assert leader.heard[-1].term.token == token
        assert {each.state for each in waiting.heard} == {pb.STATE_WAITING}
        server.say("kv/deleterange", key="filler")
        server.say("kv/compaction", revision=str(server.revision()), physical=True)
        server.say("maintenance/defragment")
        member = server.say("maintenance/status")["header"]["member_id"]
        server.say("maintenance/alarm", action="DEACTIVATE", memberID=member, alarm="NOSPACE")
        assert await waiting.leads() > token
        assert (await leader.answered()).term.token == token


def test_what_is_no_etcd_ends_the_start_and_no_password_is_told(
    gateways: Gateways, store: Etcd
) -> None:
    told = gateways.refused(store=f"etcd://{shared('postgres').address}")
    assert "what answers there is not an etcd: it is a PostgreSQL" in told
    several = f"etcd://gate:sesame@{store.address},{store.address}"
    told = gateways.refused(store=several)
    assert "this etcd knows none" in told
    assert "sesame" not in told


def test_a_certificate_a_password_or_rights_that_will_not_do_end_the_start(
    gateways: Gateways, tmp_path: Path
) -> None:
    ca, stranger, secret = authority(tmp_path), authority(tmp_path, "stranger"), token_hex(8)
    server = Etcd(bcrypt_cost=4)
    try:
        tls(tmp_path, server, ca)
        with_users(server.start())
        refused = [
            ("gate:g", stranger, "has signed etcd's certificate"),
            (f"gate:{secret}", ca, "etcd refuses this user's password"),
            ("nobody:n", ca, "this user lacks a right on Incumbent's keys in etcd"),
        ]
        for who, signer, why in refused:
            at = f"etcds://{who}@{server.address}?ca={signer.certificate}"
            told = gateways.refused(store=at)
            assert why in told
            assert not any(word in told for word in (secret, ":g@", ":n@"))
    finally:
        server.remove()
