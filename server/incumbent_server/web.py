"""HTTP beside gRPC: probes, metrics, and two reads for tools that speak nothing else."""

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from incumbent_backends.api import Term
from incumbent_server import validate
from incumbent_server.elector import Elector
from incumbent_server.reasons import Reason, Refused
from incumbent_server.telemetry import Metrics

_STATUS = {Reason.INVALID_FIELD: 400, Reason.BACKEND_UNAVAILABLE: 503, Reason.BACKEND_REJECTED: 503}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Ours(logging.Filter):
    """Leaves out requests that are no HTTP: they were answered 400, and anybody can send them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """See logging."""
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError)


errors = logging.getLogger("incumbent.http")
errors.addFilter(_Ours())


def application(elector: Elector, telemetry: Metrics) -> web.Application:
    """Make the HTTP side of a gateway."""

    async def live(request: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def ready(request: web.Request) -> web.Response:
        if elector.ready:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "not ready"}, status=503)

    async def metrics(request: web.Request) -> web.Response:
        body, content_type = telemetry.exposition()
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def leader(request: web.Request) -> web.Response:
        election = validate.election(_parameter(request, "election"))
        term = (await elector.read(election)).term
        if term is None:
            return web.json_response({"election": election, "term": None}, status=404)
        return web.json_response({"election": election, "term": _shown(term)})

    async def verify(request: web.Request) -> web.Response:
        election = validate.election(_parameter(request, "election"))
        token = validate.token_text(_parameter(request, "token"))
        term = (await elector.read(election)).term
        current = term is not None and term.token == token
        shown = _shown(term) if term is not None else None
        body = {"election": election, "current": current, "term": shown}
        return web.json_response(body, status=200 if current else 409)

    app = web.Application(middlewares=[_refusals])
    app.router.add_get("/live", live)
    app.router.add_get("/ready", ready)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/v1/leader", leader)
    app.router.add_get("/v1/verify", verify)
    return app


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a refusal in the words that gRPC clients get."""
    try:
        return await handler(request)
    except Refused as refusal:
        body = {
            "reason": str(refusal.reason),
            "message": refusal.message,
            "metadata": dict(refusal.metadata),
        }
        return web.json_response(body, status=_STATUS.get(refusal.reason, 500))


def _parameter(request: web.Request, name: str) -> str:
    values = request.query.getall(name, [])
    if len(values) != 1:
        raise validate.invalid(name, "given once, as a query parameter")
    return values[0]


def _shown(term: Term) -> dict[str, object]:
    """Show a term as JSON; a value that is no UTF-8 is shown with replacement characters."""
    return {
        "token": term.token,
        "candidate": term.candidate,
        "value": term.value.decode(errors="replace"),
        "begin_time": term.begin_time.isoformat(),
    }
