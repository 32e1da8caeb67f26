"""The table from reasons to gRPC, held against the proto and against a real call."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc import StatusCode, aio
from grpc_status import rpc_status

from incumbent.v1 import election_service_pb2 as pb
from incumbent.v1 import error_reason_pb2
from incumbent_server import errors
from incumbent_server.reasons import Reason, Refused

FIELD = {"field": "enter.ttl"}


def details(refused: Refused, *, unary: bool = False) -> dict[str, Message]:
    kinds = {
        "ErrorInfo": error_details_pb2.ErrorInfo,
        "BadRequest": error_details_pb2.BadRequest,
        "RetryInfo": error_details_pb2.RetryInfo,
    }
    found = {}
    for packed in errors.to_status(refused, unary=unary).details:
        name = packed.type_url.rpartition(".")[2]
        found[name] = kinds[name].FromString(packed.value)
    return found


def test_the_domain_and_the_proto_have_the_same_reasons() -> None:
    wire = {
        name.removeprefix("ERROR_REASON_")
        for name in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name
    }
    assert wire - {"UNSPECIFIED"} == {str(each) for each in Reason}


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_has_a_status_and_a_value_on_the_wire(reason: Reason) -> None:
    assert reason in errors.STATUS
    value = errors.to_proto_reason(reason)
    assert error_reason_pb2.ErrorReason.Name(value) == f"ERROR_REASON_{reason}"


def test_no_reason_is_unspecified() -> None:
    assert errors.to_proto_reason(None) == error_reason_pb2.ERROR_REASON_UNSPECIFIED


@pytest.mark.parametrize(
    ("code", "reasons"),
    [
        (StatusCode.ABORTED, "EXPIRED SUPERSEDED BACKEND_LOST RESIGNED"),
        (StatusCode.UNAVAILABLE, "GATEWAY_DRAINING BACKEND_UNAVAILABLE HELD_BY_OTHER_GATEWAY"),
        (StatusCode.FAILED_PRECONDITION, "HELD_BY_ANOTHER NOT_LEADER BACKEND_REJECTED"),
        (StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"),
        (
            StatusCode.RESOURCE_EXHAUSTED,
            "TOO_MANY_STREAMS TOO_MANY_CANDIDATES MESSAGE_TOO_LARGE",
        ),
        (StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"),
        (StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"),
    ],
)
def test_the_statuses_are_those_of_the_contract(code: StatusCode, reasons: str) -> None:
    assert {str(each) for each in Reason if errors.status_code(each) is code} == set(
        reasons.split()
    )


def test_a_term_on_another_gateway_is_no_cause_to_repeat_a_unary_call() -> None:
    refused = Refused(Reason.HELD_BY_OTHER_GATEWAY, "it lives elsewhere")
    assert errors.status_code(refused.reason, unary=True) is StatusCode.FAILED_PRECONDITION
    assert "RetryInfo" not in details(refused, unary=True)
    assert "RetryInfo" in details(refused)


def test_the_error_info_is_bare_and_carries_the_metadata() -> None:
    refused = Refused(Reason.HELD_BY_ANOTHER, "node-b leads", metadata={"election": "a/b"})
    assert errors.to_status(refused).message == "node-b leads"
    assert details(refused) == {
        "ErrorInfo": error_details_pb2.ErrorInfo(
            reason="HELD_BY_ANOTHER", domain="incumbent", metadata={"election": "a/b"}
        )
    }


def test_an_invalid_field_is_a_violation() -> None:
    found = details(Refused(Reason.INVALID_FIELD, "enter.ttl must be 1 s to 1 h", metadata=FIELD))
    violation = error_details_pb2.BadRequest.FieldViolation(
        field="enter.ttl", description="enter.ttl must be 1 s to 1 h"
    )
    assert found["BadRequest"] == error_details_pb2.BadRequest(field_violations=[violation])


@pytest.mark.parametrize(
    ("refused", "delay"),
    [
        (Refused(Reason.BACKEND_UNAVAILABLE, "x"), timedelta(milliseconds=250)),
        (
            Refused(Reason.BACKEND_UNAVAILABLE, "x", retry_after=timedelta(seconds=2)),
            timedelta(seconds=2),
        ),
        (
            Refused(Reason.TOO_MANY_STREAMS, "x", retry_after=timedelta(seconds=1)),
            timedelta(seconds=1),
        ),
    ],
)
def test_a_retry_says_when(refused: Refused, delay: timedelta) -> None:
    retry = details(refused)["RetryInfo"]
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert retry.retry_delay.ToTimedelta() == delay


@pytest.mark.parametrize("reason", [Reason.GATEWAY_DRAINING, Reason.EXPIRED, Reason.NOT_LEADER])
def test_where_waiting_helps_nobody_there_is_no_retry(reason: Reason) -> None:
    assert "RetryInfo" not in details(Refused(reason, "x"))


def test_a_refusal_keeps_its_own_copy_of_the_metadata() -> None:
    mutable = {"field": "election"}
    refused = Refused(Reason.INVALID_FIELD, "x", metadata=mutable)
    mutable["field"] = "other"
    assert refused.metadata == {"field": "election"}


REFUSALS = {
    "unary": Refused(Reason.NOT_LEADER, "é nobody\nleads", metadata={"election": "a"}),
    "stream": Refused(Reason.GATEWAY_DRAINING, "the gateway shuts down"),
}


Context = aio.ServicerContext[pb.GetLeaderRequest, pb.GetLeaderResponse]


async def refuse(_: bytes, context: Context) -> None:
    await errors.abort(context, REFUSALS["unary"], unary=True)


async def answer_and_refuse(_: bytes, context: Context) -> AsyncIterator[bytes]:
    yield b"first"
    await errors.abort(context, REFUSALS["stream"])


HANDLERS: Any = {
    "unary": grpc.unary_unary_rpc_method_handler(refuse),
    "stream": grpc.unary_stream_rpc_method_handler(answer_and_refuse),
}


@pytest.fixture
async def channel() -> AsyncIterator[aio.Channel]:
    server = aio.server(handlers=[grpc.method_handlers_generic_handler("t", HANDLERS)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


def assert_told(error: aio.AioRpcError, refused: Refused) -> None:
    assert error.code() is errors.status_code(refused.reason)
    assert error.details() == refused.message
    assert dict(error.trailing_metadata())["incumbent-reason"] == refused.reason
    assert rpc_status.from_call(error) == errors.to_status(refused)  # type: ignore[arg-type]


async def test_abort_reaches_a_unary_client_whole(channel: aio.Channel) -> None:
    method: aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/t/unary")
    with pytest.raises(aio.AioRpcError) as caught:
        await method(b"")
    assert_told(caught.value, REFUSALS["unary"])


async def test_abort_reaches_a_streaming_client_after_what_was_sent(channel: aio.Channel) -> None:
    method: aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream("/t/stream")
    call = method(b"")
    assert await call.read() == b"first"
    with pytest.raises(aio.AioRpcError) as caught:
        await call.read()
    assert_told(caught.value, REFUSALS["stream"])
