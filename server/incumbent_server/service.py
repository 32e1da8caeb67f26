"""The ElectionService: each RPC checks its request, asks the elector, and answers."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from typing import Any

from grpc import StatusCode, aio

from incumbent.v1 import election_service_pb2 as pb
from incumbent.v1 import election_service_pb2_grpc
from incumbent_backends.api import Limits, Term
from incumbent_server import validate
from incumbent_server.clock import World
from incumbent_server.elector import Elector
from incumbent_server.errors import abort, status_code
from incumbent_server.messages import holder, to_backend, to_term
from incumbent_server.reasons import Refused
from incumbent_server.streams import CampaignStream, over_limit
from incumbent_server.telemetry import Metrics, StreamKind, logger

Context = aio.ServicerContext[Any, Any]
log = logger("incumbent.service")


class ElectionService(election_service_pb2_grpc.ElectionServiceServicer):
    """All RPCs of `incumbent.v1.ElectionService` over one elector."""

    def __init__(
        self,
        elector: Elector,
        limits: Limits,
        *,
        backend_ttl: timedelta,
        max_streams: int,
        world: World,
        metrics: Metrics,
    ) -> None:
        self._elector = elector
        self._backend = to_backend(limits, backend_ttl)
        self._max_streams = max_streams
        self._world = world
        self._metrics = metrics
        self._streams = 0

    # grpc.aio also takes coroutines that read and write, which the generated types do not know.
    async def Campaign(  # type: ignore[override]  # noqa: N802 - the name of the RPC
        self, request_iterator: AsyncIterator[pb.CampaignRequest], context: Context
    ) -> None:
        async with self._answering("Campaign", context):
            with self._stream("campaign"):
                stream = CampaignStream(self._elector, self._world, self._metrics, context)
                await stream.serve()

    async def Resign(  # noqa: N802
        self, request: pb.ResignRequest, context: Context
    ) -> pb.ResignResponse:
        async with self._answering("Resign", context, unary=True):
            election = validate.election(request.election)
            secret = validate.credential(request.credential, "credential")
            term = await self._elector.resign(election, holder(secret))
            return pb.ResignResponse(term=to_term(term))

    async def Observe(  # type: ignore[override]  # noqa: N802
        self, request: pb.ObserveRequest, context: Context
    ) -> None:
        async with self._answering("Observe", context):
            with self._stream("observe"):
                await self._observe(request, context)

    async def _observe(self, request: pb.ObserveRequest, context: Context) -> None:
        if request.WhichOneof("scope") == "election":
            observer = await self._elector.observe(election=validate.election(request.election))
        else:
            observer = await self._elector.observe(prefix=validate.prefix(request.prefix))
        try:
            await _tell(context, observer.take())
            await context.write(pb.ObserveResponse(synced=True))
            while True:
                await _tell(context, await observer.changes())
        finally:
            self._elector.unobserve(observer)

    async def GetLeader(  # noqa: N802
        self, request: pb.GetLeaderRequest, context: Context
    ) -> pb.GetLeaderResponse:
        async with self._answering("GetLeader", context, unary=True):
            snapshot = await self._elector.read(validate.election(request.election))
            return pb.GetLeaderResponse(term=to_term(snapshot.term))

    async def VerifyToken(  # noqa: N802
        self, request: pb.VerifyTokenRequest, context: Context
    ) -> pb.VerifyTokenResponse:
        async with self._answering("VerifyToken", context, unary=True):
            election, token = validate.election(request.election), validate.token(request.token)
            term = (await self._elector.read(election)).term
            current = term is not None and term.token == token
            return pb.VerifyTokenResponse(current=current, term=to_term(term))

    async def ListElections(  # noqa: N802
        self, request: pb.ListElectionsRequest, context: Context
    ) -> pb.ListElectionsResponse:
        async with self._answering("ListElections", context, unary=True):
            prefix = validate.prefix(request.prefix)
            size = validate.page_size(request.page_size)
            after = validate.page_token(request.page_token, prefix)
            found = self._elector.elections(prefix)
            names = sorted(name for name in found if name > after)
            more = validate.to_page_token(names[size - 1]) if len(names) > size else ""
            page = [_summary(name, *found[name]) for name in names[:size]]
            return pb.ListElectionsResponse(elections=page, next_page_token=more)

    async def GetBackend(  # noqa: N802
        self, request: pb.GetBackendRequest, context: Context
    ) -> pb.GetBackendResponse:
        async with self._answering("GetBackend", context, unary=True):
            return self._backend

    @asynccontextmanager
    async def _answering(
        self, method: str, context: Context, *, unary: bool = False
    ) -> AsyncIterator[None]:
        """Turn a refusal into the call's status, and count how the call ended."""
        code, reason = StatusCode.UNKNOWN, ""
        try:
            yield
            code = StatusCode.OK
        except Refused as refusal:
            code, reason = status_code(refusal.reason, unary=unary), str(refusal.reason)
            with suppress(aio.InternalError):  # the client left before it was told
                await abort(context, refusal, unary=unary)
        except asyncio.CancelledError:
            code = StatusCode.CANCELLED
            raise
        except aio.InternalError:  # the client left while something was on its way to it
            code = StatusCode.CANCELLED
        except Exception:
            if context.done():
                code = StatusCode.CANCELLED
                return
            code = StatusCode.INTERNAL
            log.exception("call failed", method=method)
            await context.abort(code, "internal error: the gateway's log tells more")
        finally:
            self._metrics.rpc_ended(method, code.name, reason)

    @contextmanager
    def _stream(self, kind: StreamKind) -> Iterator[None]:
        """Count an open stream, or refuse one too many."""
        if self._streams >= self._max_streams:
            raise over_limit(self._max_streams)
        self._streams += 1
        try:
            with self._metrics.stream(kind):
                yield
        finally:
            self._streams -= 1


async def _tell(context: Context, news: Iterable[tuple[str, Term | None]]) -> None:
    for election, term in news:
        await context.write(pb.ObserveResponse(election=election, term=to_term(term)))


def _summary(election: str, term: Term | None, waiting: int) -> pb.ElectionSummary:
    return pb.ElectionSummary(election=election, term=to_term(term), waiting=waiting)
