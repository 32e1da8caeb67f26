"""Bytes that are no message, or too many: refused like any other bad input.

By itself grpc ends such a call with UNKNOWN and the text of an exception, or with a bare
RESOURCE_EXHAUSTED. Here the deserializer returns the refusal in the place of the message: a unary
call ends with it at once, a stream ends where it is read. grpc's own limit is HARD times as much.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from inspect import isasyncgenfunction
from typing import Any, Final

from google.protobuf.message import DecodeError
from grpc import aio

from incumbent_server import validate
from incumbent_server.errors import abort
from incumbent_server.reasons import Reason, Refused

Context = aio.ServicerContext[Any, Any]
Behavior = Callable[[Any, Context], Awaitable[Any]]
Generator = Callable[[AsyncIterator[Any], Context], AsyncIterator[Any]]
HARD: Final = 2  # times --max-message: larger ones are not even read


class RefuseMalformed(aio.ServerInterceptor):
    """Wraps every method that is served: ours, health checking and reflection.

    A stream's coroutine reads by itself, as Campaign does, and meets the refusal there.
    """

    def __init__(self, max_message: int) -> None:
        self._max_message = max_message

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Return the method's handler with a deserializer that never raises."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method.removeprefix("/")
        read = _reader(handler.request_deserializer, method, self._max_message)
        changes: dict[str, Any] = {"request_deserializer": read}
        for kind in ("unary_unary", "unary_stream"):
            if (behavior := getattr(handler, kind)) is not None:
                changes[kind] = _refusing(behavior)
        if isasyncgenfunction(handler.stream_stream):
            changes["stream_stream"] = _refusing_each(handler.stream_stream)
        return handler._replace(**changes)


def _reader(deserialize: Callable[[bytes], Any], method: str, limit: int) -> Callable[[bytes], Any]:
    def read(data: bytes) -> Any:
        if len(data) > limit:
            return Refused(
                Reason.MESSAGE_TOO_LARGE,
                f"a message may hold {limit} bytes: send less",
                metadata={"limit": str(limit)},
            )
        try:
            return deserialize(data)
        except DecodeError:
            return validate.invalid("message", f"one that {method} takes")

    return read


def _refusing(behavior: Behavior) -> Behavior:
    async def answer(request: Any, context: Context) -> Any:
        if isinstance(request, Refused):
            await abort(context, request, unary=True)
        return await behavior(request, context)

    return answer


def _refusing_each(behavior: Generator) -> Generator:
    async def answer(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        async for response in behavior(_sound(requests, context), context):
            yield response

    return answer


async def _sound(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
    async for request in requests:
        if isinstance(request, Refused):
            await abort(context, request)
        yield request
