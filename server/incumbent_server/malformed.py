"""Bytes that are no message: refused like any other bad input.

By itself grpc ends such a call with UNKNOWN and the text of an exception. Here the deserializer
returns a mark instead, which a unary call is refused for at once; a stream's reader meets it where
the message would have been.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from google.protobuf.message import DecodeError
from grpc import aio

from incumbent_server import validate
from incumbent_server.errors import abort

Behavior = Callable[[Any, Any], Awaitable[Any]]
MALFORMED: Final = object()
REFUSAL: Final = validate.invalid("message", "one that incumbent/v1/election_service.proto defines")


class RefuseMalformed(aio.ServerInterceptor):
    """Wraps the methods of one service, which are coroutines that read and write by themselves."""

    def __init__(self, service: str) -> None:
        self._methods = f"/{service}/"

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Return the method's handler with a deserializer that never raises."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(self._methods):
            return handler
        changes: dict[str, Any] = {"request_deserializer": _marking(handler.request_deserializer)}
        for kind in ("unary_unary", "unary_stream"):
            if (behavior := getattr(handler, kind)) is not None:
                changes[kind] = _refusing(behavior)
        return handler._replace(**changes)


def _marking(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            return MALFORMED

    return read


def _refusing(behavior: Behavior) -> Behavior:
    async def answer(request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
        if request is MALFORMED:
            await abort(context, REFUSAL, unary=True)
        return await behavior(request, context)

    return answer
