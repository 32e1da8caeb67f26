"""Bytes that are no message, or too many: refused like any other bad input.

By itself grpc ends such a call with UNKNOWN and the text of an exception, or with a bare
RESOURCE_EXHAUSTED. Here the deserializer returns the refusal in the place of the message: a unary
call ends with it at once, a stream's reader meets it. grpc's own limit is HARD times as much.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from google.protobuf.message import DecodeError
from grpc import aio

from incumbent_server import validate
from incumbent_server.errors import abort
from incumbent_server.reasons import Reason, Refused

Behavior = Callable[[Any, Any], Awaitable[Any]]
HARD: Final = 2  # times --max-message: larger ones are not even read
UNREADABLE: Final = validate.invalid(
    "message", "one that incumbent/v1/election_service.proto defines"
)


class RefuseMalformed(aio.ServerInterceptor):
    """Wraps the methods of one service, which are coroutines that read and write by themselves."""

    def __init__(self, service: str, max_message: int) -> None:
        self._methods = f"/{service}/"
        self._max_message = max_message

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Return the method's handler with a deserializer that never raises."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(self._methods):
            return handler
        read = _reader(handler.request_deserializer, self._max_message)
        changes: dict[str, Any] = {"request_deserializer": read}
        for kind in ("unary_unary", "unary_stream"):
            if (behavior := getattr(handler, kind)) is not None:
                changes[kind] = _refusing(behavior)
        return handler._replace(**changes)


def _reader(deserialize: Callable[[bytes], Any], limit: int) -> Callable[[bytes], Any]:
    too_large = Refused(
        Reason.MESSAGE_TOO_LARGE,
        f"a message may hold {limit} bytes: send less",
        metadata={"limit": str(limit)},
    )

    def read(data: bytes) -> Any:
        if len(data) > limit:
            return too_large
        try:
            return deserialize(data)
        except DecodeError:
            return UNREADABLE

    return read


def _refusing(behavior: Behavior) -> Behavior:
    async def answer(request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
        if isinstance(request, Refused):
            await abort(context, request, unary=True)
        return await behavior(request, context)

    return answer
