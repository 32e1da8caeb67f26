"""The one table from the domain's reasons to gRPC, and the `google.rpc.Status` made from it.

Every refusal carries one ErrorInfo (domain `incumbent`, the bare reason, metadata), a BadRequest if
a field is at fault, a RetryInfo where a retry helps, and the bare reason as trailing metadata, so
that a thin client needs no more than gRPC.
"""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, NoReturn

from google.protobuf import any_pb2, duration_pb2, message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc import StatusCode, aio
from grpc_status import rpc_status

from incumbent.v1 import error_reason_pb2
from incumbent_server.reasons import Reason, Refused

DOMAIN: Final = "incumbent"
REASON_KEY: Final = "incumbent-reason"
"""The key of the trailing metadata that carries the bare reason."""

STATUS: Final[Mapping[Reason, StatusCode]] = MappingProxyType(
    {
        Reason.EXPIRED: StatusCode.ABORTED,
        Reason.SUPERSEDED: StatusCode.ABORTED,
        Reason.BACKEND_LOST: StatusCode.ABORTED,
        Reason.RESIGNED: StatusCode.ABORTED,
        Reason.GATEWAY_DRAINING: StatusCode.UNAVAILABLE,
        Reason.BACKEND_UNAVAILABLE: StatusCode.UNAVAILABLE,
        Reason.BACKEND_REJECTED: StatusCode.FAILED_PRECONDITION,
        Reason.HELD_BY_ANOTHER: StatusCode.FAILED_PRECONDITION,
        Reason.HELD_BY_OTHER_GATEWAY: StatusCode.UNAVAILABLE,
        Reason.NOT_LEADER: StatusCode.FAILED_PRECONDITION,
        Reason.INVALID_FIELD: StatusCode.INVALID_ARGUMENT,
        Reason.TOO_MANY_STREAMS: StatusCode.RESOURCE_EXHAUSTED,
        Reason.TOO_MANY_CANDIDATES: StatusCode.RESOURCE_EXHAUSTED,
        Reason.MESSAGE_TOO_LARGE: StatusCode.RESOURCE_EXHAUSTED,
        Reason.UNAUTHENTICATED: StatusCode.UNAUTHENTICATED,
        Reason.PERMISSION_DENIED: StatusCode.PERMISSION_DENIED,
    }
)

# Resuming a stream is settled by itself once the other gateway is gone; a unary call has to be made
# elsewhere.
_STATUS_OF_UNARY: Final[Mapping[Reason, StatusCode]] = MappingProxyType(
    {Reason.HELD_BY_OTHER_GATEWAY: StatusCode.FAILED_PRECONDITION}
)

# Short against the shortest ttl of 1 s. A drain has none: the client goes elsewhere at once.
_RETRY_AFTER: Final[Mapping[Reason, timedelta]] = MappingProxyType(
    {
        Reason.BACKEND_UNAVAILABLE: timedelta(milliseconds=250),
        Reason.HELD_BY_OTHER_GATEWAY: timedelta(milliseconds=250),
    }
)


def status_code(reason: Reason, *, unary: bool = False) -> StatusCode:
    """The gRPC status of `reason`, on a unary call or on a stream."""
    if unary and reason in _STATUS_OF_UNARY:
        return _STATUS_OF_UNARY[reason]
    return STATUS[reason]


def to_proto_reason(reason: Reason | None) -> "error_reason_pb2.ErrorReason.ValueType":
    """The wire's value of `reason`; None is `ERROR_REASON_UNSPECIFIED`."""
    if reason is None:
        return error_reason_pb2.ERROR_REASON_UNSPECIFIED
    return error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}")


def to_status(refused: Refused, *, unary: bool = False) -> status_pb2.Status:
    """The whole answer to the client: code, message and details."""
    code = status_code(refused.reason, unary=unary)
    details: list[message.Message] = [_error_info(refused)]
    if refused.reason is Reason.INVALID_FIELD:
        details.append(_bad_request(refused))
    if (delay := _retry_after(refused, code)) is not None:
        details.append(error_details_pb2.RetryInfo(retry_delay=_to_duration(delay)))
    return status_pb2.Status(
        code=code.value[0], message=refused.message, details=[_packed(each) for each in details]
    )


def trailing_metadata(
    refused: Refused, *, unary: bool = False
) -> tuple[tuple[str, str | bytes], ...]:
    """What follows the call: the status in its binary form, and the bare reason."""
    status = rpc_status.to_status(to_status(refused, unary=unary))
    return (*status.trailing_metadata, (REASON_KEY, str(refused.reason)))


async def abort(
    context: aio.ServicerContext[Any, Any], refused: Refused, *, unary: bool = False
) -> NoReturn:
    """End the call with `refused`: grpc.aio raises its own AbortError out of the handler."""
    code = status_code(refused.reason, unary=unary)
    await context.abort(code, refused.message, trailing_metadata(refused, unary=unary))


def _error_info(refused: Refused) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(
        reason=str(refused.reason), domain=DOMAIN, metadata=dict(refused.metadata)
    )


def _bad_request(refused: Refused) -> error_details_pb2.BadRequest:
    violation = error_details_pb2.BadRequest.FieldViolation(
        field=refused.metadata.get("field", ""), description=refused.message
    )
    return error_details_pb2.BadRequest(field_violations=[violation])


def _retry_after(refused: Refused, code: StatusCode) -> timedelta | None:
    if refused.retry_after is not None:
        return refused.retry_after
    return _RETRY_AFTER.get(refused.reason) if code is StatusCode.UNAVAILABLE else None


def _to_duration(delay: timedelta) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromTimedelta(delay)
    return duration


def _packed(detail: message.Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed
