"""HTTP beside gRPC: probes, metrics, and the two reads."""

import asyncio
import json
import socket
import urllib.error
import urllib.request
from typing import Any

import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.clients import Streams, an_election
from tests.gateways import Gateway


def get(gateway: Gateway, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"{gateway.http}{path}", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def metrics(gateway: Gateway) -> dict[str, float]:
    """Every sample by its name and labels."""
    with urllib.request.urlopen(f"{gateway.http}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        text = answer.read().decode()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_probes(gateway: Gateway) -> None:
    assert get(gateway, "/live")[0] == 200
    assert get(gateway, "/ready")[0] == 200


async def test_leader_and_verify(gateway: Gateway, elsewhere: Gateway, streams: Streams) -> None:
    election = an_election()
    assert await asyncio.to_thread(get, elsewhere, f"/v1/leader?election={election}") == (
        404,
        {"election": election, "term": None},
    )
    leader = await streams.candidate(gateway.grpc, election, candidate="näme", value=b"at \xff")
    token = await leader.leads()
    status, body = await asyncio.to_thread(get, elsewhere, f"/v1/leader?election={election}")
    assert status == 200
    term = body["term"]
    assert (term["token"], term["candidate"], term["value"]) == (token, "näme", "at \ufffd")
    for asked, wanted in ((token, 200), (token + 1, 409), (2**63 - 1, 409)):
        path = f"/v1/verify?election={election}&token={asked}"
        status, body = await asyncio.to_thread(get, elsewhere, path)
        assert (status, body["current"]) == (wanted, wanted == 200)
        assert body["term"]["token"] == token
    await leader.resign()
    path = f"/v1/verify?election={election}&token={token}"
    status, body = await asyncio.to_thread(get, elsewhere, path)
    assert (status, body["current"], body["term"]) == (409, False, None)


def test_what_is_not_there(gateway: Gateway) -> None:
    for path, method in (("/", "GET"), ("/v1/leader", "POST"), ("/v1", "GET")):
        request = urllib.request.Request(f"{gateway.http}{path}", method=method)
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=5)
        with caught.value as refused:
            assert refused.code in (404, 405)
            assert b"Traceback" not in refused.read()


@pytest.mark.parametrize(
    "request_",
    [
        b"GARBAGE\x00\r\n\r\n",
        b"GET /li ve HTTP/9.1\r\n\r\n",
        b"GET /live HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET /live HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_http_is_answered_and_fills_no_log(gateway: Gateway, request_: bytes) -> None:
    host, _, port = gateway.http.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request_)
        assert b" 400 " in connection.recv(100)
    assert get(gateway, "/live")[0] == 200
    assert not [line for line in gateway.lines if line["level"] == "error"]


async def test_metrics_count_and_have_no_label_per_election(
    gateway: Gateway, streams: Streams
) -> None:
    elections = [an_election("metrics") for _ in range(20)]
    before = await asyncio.to_thread(metrics, gateway)
    leaders = [await streams.candidate(gateway.grpc, election) for election in elections]
    for leader in leaders:
        await leader.leads()
        await leader.answered()
    after = await asyncio.to_thread(metrics, gateway)
    new = set(after) - set(before)
    assert len(new) < len(elections), new
    assert not any("metrics/" in name or "election" in name for name in after)
    begun = 'incumbent_terms_begun_total{how="won"}'
    assert after[begun] >= before.get(begun, 0) + 20
    assert after["incumbent_heartbeats_total"] >= before["incumbent_heartbeats_total"] + 20
    assert after['incumbent_candidates{state="leading"}'] >= 20
    assert after['incumbent_streams{kind="campaign"}'] >= 20
    assert after["incumbent_session_good_seconds"] > 5
    for leader in leaders:
        await leader.resign()
    last = await asyncio.to_thread(metrics, gateway)
    resigned = 'incumbent_terms_total{outcome="resigned"}'
    assert last[resigned] >= after.get(resigned, 0) + 20


async def test_health_is_watched(gateway: Gateway) -> None:
    service = "incumbent.v1.ElectionService"
    async with aio.insecure_channel(gateway.grpc) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service=service))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()
