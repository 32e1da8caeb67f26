"""Bad input: each message is refused by the field at fault, and harms nobody who is inside."""

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc import StatusCode, aio

from incumbent.v1 import election_service_pb2 as pb
from incumbent.v1 import election_service_pb2_grpc as rpc
from tests.clients import Streams, Told, a_credential, an_election, lasting
from tests.gateways import Gateway

SEGMENTS = "1 to 8 segments of 1 to 63 characters"
BAD_NAMES = {
    "empty": "",
    "256 bytes": "/".join(["a" * 63] * 4) + "a",
    "a//b": "a//b",
    "..": "../x",
    ".": "a/./b",
    "NUL": "a\0b",
    "non-ASCII": "wähler",
    "leading slash": "/a",
    "trailing slash": "a/",
    "space": "a b",
    "nine segments": "/".join("123456789"),
    "long segment": "a" * 64,
    "line feed": "a\n",
}
assert len(BAD_NAMES["256 bytes"]) == 256

GARBAGE = b"\xff\xff\xff"  # a tag that never ends

BAD_FIELDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "ttl 0": ({"ttl": lasting(0)}, "enter.ttl", "1 s to 1 h"),
    "ttl -5 s": ({"ttl": lasting(-5)}, "enter.ttl", "1 s to 1 h"),
    "ttl 2^63-1 s": ({"ttl": Duration(seconds=2**63 - 1)}, "enter.ttl", "1 s to 1 h"),
    "ttl 999 ms": ({"ttl": lasting(0.999)}, "enter.ttl", "1 s to 1 h"),
    "ttl 1 h + 1 ns": (
        {"ttl": Duration(seconds=3600, nanos=1)},
        "enter.ttl",
        "1 s to 1 h",
    ),
    "ttl of two signs": (
        {"ttl": Duration(seconds=5, nanos=-1)},
        "enter.ttl",
        "1 s to 1 h",
    ),
    "value 4 KiB + 1": ({"value": bytes(4097)}, "enter.value", "4096 bytes"),
    "short credential": ({"credential": "a" * 21}, "enter.credential", "22 to 64"),
    "long credential": ({"credential": "a" * 65}, "enter.credential", "22 to 64"),
    "credential of other letters": ({"credential": "!" * 22}, "enter.credential", "base64url"),
    "candidate of 129": ({"candidate": "c" * 129}, "enter.candidate", "128 code points"),
    "candidate with a control": ({"candidate": "a\x1bb"}, "enter.candidate", "control"),
    "attempt -1": ({"attempt": -1}, "enter.attempt", "1 or more"),
    "resume_token 0": ({"resume_token": 0}, "enter.resume_token", "from 1 to"),
    "resume_token -1": ({"resume_token": -1}, "enter.resume_token", "from 1 to"),
    "on_disconnect 7": ({"on_disconnect": 7}, "enter.on_disconnect", "ON_DISCONNECT_KEEP"),
}

BAD_MESSAGES: dict[str, tuple[list[pb.CampaignRequest], str, str]] = {
    "enter twice": (
        [pb.CampaignRequest(enter=pb.Enter(election="e2e/twice"))],
        "enter",
        "once a stream",
    ),
    "empty message": ([pb.CampaignRequest()], "message", "enter, heartbeat, proclaim, resign"),
    "sequence 0": (
        [pb.CampaignRequest(heartbeat=pb.Heartbeat())],
        "heartbeat.sequence",
        "1 or more",
    ),
    "sequence that does not rise": (
        [pb.CampaignRequest(heartbeat=pb.Heartbeat(sequence=number)) for number in (2, 2)],
        "heartbeat.sequence",
        "greater than that of every earlier",
    ),
    "sequence that falls": (
        [pb.CampaignRequest(heartbeat=pb.Heartbeat(sequence=number)) for number in (5, 4)],
        "heartbeat.sequence",
        "greater than that of every earlier",
    ),
    "proclaim 4 KiB + 1": (
        [pb.CampaignRequest(proclaim=pb.Proclaim(value=bytes(4097)))],
        "proclaim.value",
        "4096 bytes",
    ),
}


def assert_refused(told: Told, field: str, allowed: str) -> None:
    assert told.code is StatusCode.INVALID_ARGUMENT, told
    assert told.reason == "INVALID_FIELD"
    assert (told.info.domain, told.info.reason) == ("incumbent", "INVALID_FIELD")
    assert told.info.metadata["field"] == field
    (violation,) = told.detail(error_details_pb2.BadRequest).field_violations
    assert violation.field == field
    assert told.message.startswith(f"{field} must ")
    assert allowed in told.message
    assert told.status.code == StatusCode.INVALID_ARGUMENT.value[0]
    assert "\n" not in told.message


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
async def test_a_bad_name_in_every_call(
    gateway: Gateway, streams: Streams, calls: "rpc.ElectionServiceAsyncStub", name: str
) -> None:
    stream = await streams.by_hand(gateway.grpc, name)
    assert_refused(await stream.end(), "enter.election", SEGMENTS)
    assert stream.heard == []
    unary: list[Any] = [
        lambda: calls.GetLeader(pb.GetLeaderRequest(election=name)),
        lambda: calls.VerifyToken(pb.VerifyTokenRequest(election=name, token=1)),
        lambda: calls.Resign(pb.ResignRequest(election=name, credential=a_credential())),
        lambda: anext(aiter(calls.Observe(pb.ObserveRequest(election=name)))),
    ]
    for call in unary:
        assert_refused(await refusal(call()), "election", SEGMENTS)


async def refusal(call: Any) -> Told:
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    return Told.of(caught.value)


@pytest.mark.parametrize("case", BAD_FIELDS.values(), ids=BAD_FIELDS)
async def test_a_bad_field_of_enter(
    gateway: Gateway, streams: Streams, case: tuple[dict[str, Any], str, str]
) -> None:
    fields, field, allowed = case
    stream = await streams.by_hand(gateway.grpc, an_election(), **fields)
    told = await stream.end()
    assert_refused(told, field, allowed)
    assert stream.heard == []
    if "credential" in fields:  # it may be a secret with one letter too many
        assert fields["credential"] not in repr(told.status)


@pytest.mark.parametrize("case", BAD_FIELDS.values(), ids=BAD_FIELDS)
async def test_a_bad_resume_harms_no_term(
    gateway: Gateway, streams: Streams, case: tuple[dict[str, Any], str, str]
) -> None:
    fields, field, allowed = case
    election, credential = an_election(), a_credential()
    leader = await streams.candidate(gateway.grpc, election, credential=credential)
    token = await leader.leads()
    again = {"credential": credential, "attempt": 2, "resume_token": token}
    bad = await streams.by_hand(gateway.grpc, election, **(again | fields))
    assert_refused(await bad.end(), field, allowed)
    assert (await leader.answered()).state == pb.STATE_LEADING
    good = await streams.by_hand(gateway.grpc, election, **again)
    assert await good.leads() == token
    assert await leader.lost() == "SUPERSEDED"


@pytest.mark.parametrize("case", BAD_MESSAGES.values(), ids=BAD_MESSAGES)
async def test_a_keep_term_survives_a_bad_message(
    gateway: Gateway, streams: Streams, case: tuple[list[pb.CampaignRequest], str, str]
) -> None:
    messages, field, allowed = case
    election, credential = an_election(), a_credential()
    leader = await streams.by_hand(gateway.grpc, election, credential=credential)
    token = await leader.leads()
    for message in messages:
        await leader.forward(message)
    assert_refused(await leader.end(), field, allowed)
    assert leader.heard[-1].state == pb.STATE_LEADING
    again = await streams.by_hand(
        gateway.grpc, election, credential=credential, attempt=2, resume_token=token
    )
    assert await again.leads() == token


@pytest.mark.parametrize(
    "message",
    [
        pb.CampaignRequest(heartbeat=pb.Heartbeat(sequence=1)),
        pb.CampaignRequest(proclaim=pb.Proclaim()),
        pb.CampaignRequest(resign=pb.Resign()),
        pb.CampaignRequest(),
    ],
    ids=["heartbeat", "proclaim", "resign", "empty"],
)
async def test_anything_before_enter(
    gateway: Gateway, streams: Streams, message: pb.CampaignRequest
) -> None:
    stream = streams.bare(gateway.grpc)
    await stream.forward(message)
    assert_refused(await stream.end(), "enter", "first message of a stream")
    assert stream.heard == []


async def test_a_stream_that_closes_before_enter(gateway: Gateway, streams: Streams) -> None:
    stream = streams.bare(gateway.grpc)
    await stream.half_close()
    assert_refused(await stream.end(), "enter", "first message of a stream")


METHODS = {  # one of each kind, of every service
    "incumbent.v1.ElectionService/GetLeader": "unary_unary",
    "incumbent.v1.ElectionService/Observe": "unary_stream",
    "incumbent.v1.ElectionService/Campaign": "stream_stream",
    "grpc.health.v1.Health/Check": "unary_unary",
    "grpc.health.v1.Health/Watch": "unary_stream",
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo": "stream_stream",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": "stream_stream",
}


async def answer_to(gateway: Gateway, method: str, message: bytes) -> Told:
    """Send these bytes to a method; how it refused them."""
    kind = METHODS[method]
    async with aio.insecure_channel(gateway.grpc) as channel:
        begin: Any = getattr(channel, kind)(f"/{method}")
        call = begin() if kind == "stream_stream" else begin(message)
        if kind == "stream_stream":
            await call.write(message)
        return await refusal(call if kind == "unary_unary" else call.read())


@pytest.mark.parametrize("method", METHODS)
async def test_bytes_that_are_no_message(gateway: Gateway, method: str) -> None:
    assert_refused(await answer_to(gateway, method, GARBAGE), "message", f"one that {method} takes")


@pytest.mark.parametrize("method", METHODS)
async def test_bytes_that_are_too_many(gateway: Gateway, method: str) -> None:
    told = await answer_to(gateway, method, bytes(64 * 2**10 + 1))
    assert (told.code, told.reason) == (StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE")


async def test_bytes_that_are_no_message_on_a_stream(gateway: Gateway, streams: Streams) -> None:
    """The stream ends; a KEEP term survives it."""
    election, credential = an_election(), a_credential()
    enter = pb.CampaignRequest(enter=pb.Enter(election=election, credential=credential))
    async with aio.insecure_channel(gateway.grpc) as channel:
        call: Any = channel.stream_stream("/incumbent.v1.ElectionService/Campaign")()
        await call.write(enter.SerializeToString())
        response = pb.CampaignResponse()
        while response.state != pb.STATE_LEADING:
            response = pb.CampaignResponse.FromString(await call.read())
        await call.write(GARBAGE)
        async with asyncio.timeout(5):
            assert await call.code() is StatusCode.INVALID_ARGUMENT
    again = await streams.by_hand(
        gateway.grpc,
        election,
        credential=credential,
        attempt=2,
        resume_token=response.term.token,
    )
    assert await again.leads() == response.term.token


@pytest.mark.parametrize("prefix", ["a", "a//", "/", "../", "é/", "a/b", "a" * 64 + "/"])
async def test_a_bad_prefix(calls: "rpc.ElectionServiceAsyncStub", prefix: str) -> None:
    told = await refusal(calls.ListElections(pb.ListElectionsRequest(prefix=prefix)))
    assert_refused(told, "prefix", "end at a '/'")
    told = await refusal(anext(aiter(calls.Observe(pb.ObserveRequest(prefix=prefix)))))
    assert_refused(told, "prefix", "end at a '/'")


@pytest.mark.parametrize("size", [-1, 1001, 2**31 - 1])
async def test_a_bad_page_size(calls: "rpc.ElectionServiceAsyncStub", size: int) -> None:
    told = await refusal(calls.ListElections(pb.ListElectionsRequest(page_size=size)))
    assert_refused(told, "page_size", "1 to 1000")


@pytest.mark.parametrize("token", ["!", "YQ", "Li4", "x" * 5000])
async def test_a_bad_page_token(calls: "rpc.ElectionServiceAsyncStub", token: str) -> None:
    asked = pb.ListElectionsRequest(prefix="b/", page_token=token)
    assert_refused(await refusal(calls.ListElections(asked)), "page_token", "next_page_token")


@pytest.mark.parametrize("token", [0, -1, -(2**63)])
async def test_a_bad_token(calls: "rpc.ElectionServiceAsyncStub", token: int) -> None:
    asked = pb.VerifyTokenRequest(election=an_election(), token=token)
    assert_refused(await refusal(calls.VerifyToken(asked)), "token", "from 1 to")


@pytest.mark.parametrize("credential", ["", "short", "x" * 65, "ü" * 22])
async def test_a_bad_credential_in_resign(
    calls: "rpc.ElectionServiceAsyncStub", credential: str
) -> None:
    asked = pb.ResignRequest(election=an_election(), credential=credential)
    assert_refused(await refusal(calls.Resign(asked)), "credential", "22 to 64")


BAD_QUERIES = {
    "leader?election=": "election",
    "leader": "election",
    "leader?election=a&election=b": "election",
    "leader?election=..%2Fx": "election",
    "leader?election=%00": "election",
    "leader?election=w%C3%A4hler": "election",
    "leader?election=%FF": "election",
    "verify?election=a": "token",
    "verify?election=a&token=0": "token",
    "verify?election=a&token=-1": "token",
    "verify?election=a&token=x": "token",
    "verify?election=a&token=%D9%A1": "token",
    "verify?election=a&token=9223372036854775808": "token",
    "verify?election=a&token=" + "9" * 5000: "token",
    "verify?token=1": "election",
}


@pytest.mark.parametrize("query", BAD_QUERIES, ids=lambda query: query[:40])
def test_bad_input_over_http(gateway: Gateway, query: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{gateway.http}/v1/{query}", timeout=5)
    with caught.value as answer:
        assert answer.code == 400
        body = json.load(answer)
    assert body["reason"] == "INVALID_FIELD"
    assert body["metadata"]["field"] == BAD_QUERIES[query]
    assert body["message"].startswith(f"{BAD_QUERIES[query]} must be ")
