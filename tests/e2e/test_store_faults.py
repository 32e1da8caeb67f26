"""SQLite in trouble under a running gateway: told in one sentence, overcome, and nothing lost."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from incumbent.v1 import election_service_pb2 as pb
from tests.clients import OPTIONS, Streams, Told, a_credential, an_election, connected
from tests.disks import filled, small_disk
from tests.figures import Figures
from tests.gateways import Gateway, Gateways, gateways_in
from tests.integration.sqlite_store import locked

JEOPARDY = pb.STATE_JEOPARDY


def get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


async def is_ready(gateway: Gateway, *, within: float = 10.0) -> None:
    async with asyncio.timeout(within):
        while (await asyncio.to_thread(get, f"{gateway.http}/ready"))[0] != 200:
            await asyncio.sleep(0.02)


async def test_locked_for_less_than_the_backend_ttl(
    gateways: Gateways, streams: Streams, figures: Figures
) -> None:
    """Fault 12, it fits: jeopardy is told, the leader keeps its term, and nobody sees a gap."""
    gateway = await gateways.launch("--backend-ttl", "6s")
    election = an_election()
    leader = await streams.candidate(gateway.grpc, election, ttl=60)
    token = await leader.leads()
    began = time.monotonic()
    with locked(gateways.file):
        late = await streams.candidate(gateway.grpc, an_election())
        assert (await late.waits()).position == 1
        await leader.state(JEOPARDY, 6)
        assert time.monotonic() - began < 3 + 2
        assert leader.believes()
        async with connected(gateway.grpc) as calls:  # reading goes on
            assert (await calls.GetLeader(pb.GetLeaderRequest(election=election))).term.token
    unlocked = time.monotonic()
    assert await leader.leads(3) == token
    figures("file unlocked until LEADING again", time.monotonic() - unlocked)
    assert leader.believes()
    assert all(each.term.token == token for each in leader.heard if each.HasField("trust_for"))
    assert await late.leads() > token


async def test_locked_for_longer_than_the_backend_ttl(
    gateways: Gateways, streams: Streams, figures: Figures
) -> None:
    """Fault 12, it does not fit: told LOST before trust ends; then all goes on with more."""
    gateway = await gateways.launch("--backend-ttl", "1s")
    election, credential = an_election(), a_credential()
    leader = await streams.candidate(gateway.grpc, election, ttl=60, credential=credential)
    token = await leader.leads()
    waiting = await streams.candidate(gateway.grpc, election, ttl=60)
    await waiting.waits()
    began = time.monotonic()
    with locked(gateways.file):
        believed = leader.believes_until
        assert await leader.lost(1 + 0.5 + 2) == "BACKEND_LOST"
        took = time.monotonic() - began
        figures("file locked, backend ttl 1 s: told LOST", took, 1.5)
        assert JEOPARDY in {each.state for each in leader.heard}
        assert leader.believes_until <= max(believed, leader.believes_until)
        told = await waiting.end()
        assert (told.code, told.reason) == (StatusCode.UNAVAILABLE, "BACKEND_UNAVAILABLE")
        refused = await streams.by_hand(gateway.grpc, election)
        told = await refused.end()
        assert (told.code, told.reason) == (StatusCode.UNAVAILABLE, "BACKEND_UNAVAILABLE")
        assert told.detail_names() >= {"ErrorInfo", "RetryInfo"}
        assert str(gateways.file) not in repr(told.status)
        assert (await asyncio.to_thread(get, f"{gateway.http}/ready"))[0] == 503
        assert (await asyncio.to_thread(get, f"{gateway.http}/live"))[0] == 200
        async with aio.insecure_channel(gateway.grpc, options=OPTIONS) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            answer = await health.Check(health_pb2.HealthCheckRequest(service=""))
            assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
        await asyncio.sleep(1)  # the lock outlasts two backend ttls
    unlocked = time.monotonic()
    await is_ready(gateway)
    figures("file unlocked until /ready", time.monotonic() - unlocked)
    again = await streams.by_hand(
        gateway.grpc, election, credential=credential, attempt=2, resume_token=token
    )
    assert await again.lost() == "EXPIRED"
    successor = await streams.candidate(gateway.grpc, election)
    assert await successor.leads() >= token + 1


async def test_locked_at_the_start_for_3_s(gateways: Gateways, figures: Figures) -> None:
    """The gateway says why, waits, and serves when it may."""
    gateways.start().kill()
    with locked(gateways.file):
        gateway = gateways.begin()
        line = await gateway.line("store not available, trying again", 20)
        assert "is locked by another program" in line["error"]
        await asyncio.sleep(2)
        assert not [each for each in gateway.lines if each["event"] == "serving"]
    began = time.monotonic()
    await gateway.line("serving", 10)
    figures("file unlocked at the start: serving", time.monotonic() - began)


async def test_a_full_disk(tmp_path: Path, streams: Streams, figures: Figures) -> None:
    """Fault 13: nothing is granted that is not written, and all goes on when there is room."""
    with small_disk(tmp_path / "disk") as disk, gateways_in(disk) as gateways:
        gateway = await gateways.launch("--backend-ttl", "2s")
        election = an_election()
        leader = await streams.candidate(gateway.grpc, election, ttl=60, value=bytes(4096))
        token = await leader.leads()
        began = time.monotonic()
        with filled(disk):
            # the log has room of its own; values use it up
            value = 0
            while leader.ending is None and time.monotonic() - began < 15:
                await leader.proclaim(value.to_bytes(2, "big") * 2048)
                value = (value + 1) % 2**16
                await asyncio.sleep(0.002)
            assert await leader.lost() == "BACKEND_LOST"
            figures("disk full, backend ttl 2 s: told LOST", time.monotonic() - began)
            refused = await streams.by_hand(gateway.grpc, an_election())
            told = await refused.end()
            assert (told.code, told.reason) == (StatusCode.UNAVAILABLE, "BACKEND_UNAVAILABLE")
            line = await gateway.line("store trouble")
            assert "its disk is full" in line["error"] or "disk" in line["error"]
        began = time.monotonic()
        await is_ready(gateway)
        figures("room again until /ready", time.monotonic() - began)
        successor = await streams.candidate(gateway.grpc, election)
        assert await successor.leads() >= token + 1


async def test_a_full_disk_at_the_start(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, gateways_in(disk) as gateways, filled(disk):
        gateway = gateways.begin()
        line = await gateway.line("store not available, trying again", 20)
        assert "disk" in line["error"]


async def test_a_file_deleted_under_the_gateway(gateways: Gateways, streams: Streams) -> None:
    """No second file is ever begun: two worlds of tokens would be the end of all order."""
    gateway = await gateways.launch("--backend-ttl", "1s")
    election = an_election()
    leader = await streams.candidate(gateway.grpc, election, ttl=60)
    await leader.leads()
    for file in gateways.file.parent.glob(f"{gateways.file.name}*"):
        file.unlink()
    assert await leader.lost(4) == "BACKEND_LOST"
    refused = await streams.by_hand(gateway.grpc, election)
    assert (await refused.end()).code in (StatusCode.UNAVAILABLE, StatusCode.FAILED_PRECONDITION)
    assert not gateways.file.exists()
    line = await gateway.line("store trouble", 5)
    assert "was deleted while in use" in line["error"]


async def test_unary_calls_while_the_store_is_gone(gateways: Gateways) -> None:
    gateway = await gateways.launch("--backend-ttl", "1s")
    gateways.file.rename(gateways.file.with_suffix(".away"))
    async with connected(gateway.grpc) as calls:
        with pytest.raises(aio.AioRpcError) as caught:
            await calls.GetLeader(pb.GetLeaderRequest(election="a"))
        told = Told.of(caught.value)
        assert (told.code, told.reason) == (StatusCode.UNAVAILABLE, "BACKEND_UNAVAILABLE")
        assert str(gateways.file) not in repr(told.status)
        assert (await calls.GetBackend(pb.GetBackendRequest())).kind == "sqlite"
    status, body = await asyncio.to_thread(get, f"{gateway.http}/v1/leader?election=a")
    assert (status, body["reason"]) == (503, "BACKEND_UNAVAILABLE")
    assert str(gateways.file) not in json.dumps(body)
