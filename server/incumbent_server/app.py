"""The gateway as a process: opens the store, serves, drains.

    configured ─► store opened ─► ports bound ─► serving ── SIGTERM ─► draining ─► closed

What cannot be mended by waiting is a Failure with one sentence and exit code 2, before anything
listens. A store that does not answer at the start is tried for a while (exit code 1).
"""

import asyncio
import errno
import gc
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from importlib.metadata import version
from typing import Final

from aiohttp import web
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from incumbent.v1 import election_service_pb2, election_service_pb2_grpc
from incumbent_backends.api import Backend, Options, Rejected, Unavailable
from incumbent_backends.registry import open_backend
from incumbent_server.clock import System, World, first_of
from incumbent_server.config import Settings, redacted
from incumbent_server.elector import Elector
from incumbent_server.malformed import HARD, RefuseMalformed
from incumbent_server.quantities import Address, show
from incumbent_server.reflect import enable_reflection
from incumbent_server.reporter import Reporter
from incumbent_server.service import ElectionService
from incumbent_server.telemetry import Metrics, logger
from incumbent_server.web import application, errors

SERVICE: Final = election_service_pb2.DESCRIPTOR.services_by_name["ElectionService"].full_name
PATIENCE: Final = 30.0  # seconds in which a store that does not answer may come up at the start
RETRY: Final = 0.5  # seconds between two tries of it
GRACE: Final = 2.0  # seconds for calls that are still open when everything else is done

# Bursts: thousands of streams opened at once queue instead of being refused. Frozen peers: a ping
# every 2 s that stays unanswered for 2 s ends the connection, which is what frees RELEASE terms; a
# client that a busy machine starves for a second keeps its. Pings of clients are welcome every
# second. A port serves one gateway.
OPTIONS: Final = (
    ("grpc.so_reuseport", 0),
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 100_000),
    ("grpc.keepalive_time_ms", 2_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.http2.ping_timeout_ms", 2_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 900),
    ("grpc.http2.max_ping_strikes", 0),
)

_WHY: Final = {
    errno.EADDRINUSE: "it is taken",
    errno.EADDRNOTAVAIL: "it is not an address of this machine",
    errno.EACCES: "the system does not permit it",
    socket.EAI_NONAME: "there is no such host",
}

log = logger("incumbent.server")


class Failure(Exception):
    """The gateway cannot run: one sentence for its operator, and the exit code."""

    def __init__(self, sentence: str, exit_code: int) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises Failure."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    async with gateway(settings, System(), stop) as running:
        log.info("serving", grpc=str(running.grpc), http=str(running.http))
        await stop.wait()
        log.info("draining", patience=show(settings.drain))
    log.info("stopped")


class Running:
    """A gateway that serves; the addresses are those really bound."""

    def __init__(self, grpc: Address, http: Address) -> None:
        self.grpc, self.http = grpc, http


@asynccontextmanager
async def gateway(settings: Settings, world: World, stop: asyncio.Event) -> AsyncIterator[Running]:
    """Serve as long as the block lasts, then drain. Raises Failure; `stop` ends the start too."""
    _constructed(settings, world)
    _check_free("--listen", settings.listen)
    _check_free("--http", settings.http)
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        backend = await _opened(stack, settings, world, stop)
        metrics.build(version=version("incumbent-server"), backend=backend.limits.kind)
        if (granted := backend.limits.granted_ttl) is not None:
            log.info("the store grants another ttl", backend_ttl=show(granted))
        elector = Elector(
            backend,
            backend_ttl=settings.backend_ttl,
            capacity=settings.max_candidates,
            world=world,
            witness=Reporter(metrics),
        )
        metrics.session_good(elector.good_for)
        metrics.census(elector.census)
        await stack.enter_async_context(elector)
        await first_of(elector.until_ready(), stop.wait(), world.sleep(PATIENCE))
        service = ElectionService(
            elector,
            backend.limits,
            backend_ttl=settings.backend_ttl,
            max_streams=settings.max_streams,
            world=world,
            metrics=metrics,
        )
        checks = health.aio.HealthServicer()
        server, grpc = _grpc_server(settings, service, checks)
        http = await _http_server(stack, settings.http, application(elector, metrics))
        await server.start()
        stack.push_async_callback(server.stop, GRACE)
        gc.collect()
        gc.freeze()  # what was loaded so far stays; collections need not look at it again
        following = asyncio.create_task(_follow_health(elector, checks))
        stack.callback(following.cancel)
        try:
            yield Running(grpc, http)
        finally:
            await checks.enter_graceful_shutdown()
            await elector.drain(settings.drain.total_seconds())


async def _opened(
    stack: AsyncExitStack, settings: Settings, world: World, stop: asyncio.Event
) -> Backend:
    deadline, told = world.now() + PATIENCE, ""
    while True:
        backend = _constructed(settings, world)
        try:
            await stack.enter_async_context(backend)
        except Rejected as error:
            raise Failure(f"--backend {redacted(settings.backend)}: {error}", 2) from error
        except Unavailable as error:
            if world.now() >= deadline:
                raise Failure(f"--backend {redacted(settings.backend)}: {error}", 1) from error
            if str(error) != told:  # once, not at each try
                log.warning("store not available, trying again", error=str(error))
            told = str(error)
            await first_of(stop.wait(), world.sleep(RETRY))
            if stop.is_set():
                raise Failure("interrupted before it served", 130) from error
        else:
            return backend


def _constructed(settings: Settings, world: World) -> Backend:
    """Make the driver, which asks nothing of the store yet."""
    options = Options(settings.namespace, settings.backend_ttl, world)
    try:
        backend = open_backend(settings.backend, options)
    except Rejected as error:
        raise Failure(f"--backend {redacted(settings.backend)}: {error}", 2) from error
    _check_ttl(backend, settings.backend_ttl)
    return backend


def _check_ttl(backend: Backend, ttl: timedelta) -> None:
    low, high = backend.limits.min_backend_ttl, backend.limits.max_backend_ttl
    if not low <= ttl <= high:
        kind = backend.limits.kind
        raise Failure(f"--backend-ttl must be {show(low)} to {show(high)} for {kind}", 2)


def _grpc_server(
    settings: Settings, service: ElectionService, checks: health.aio.HealthServicer
) -> tuple[aio.Server, Address]:
    options = (*OPTIONS, ("grpc.max_receive_message_length", HARD * settings.max_message))
    unfit = RefuseMalformed(settings.max_message)
    server = aio.server(options=options, interceptors=(unfit,))
    election_service_pb2_grpc.add_ElectionServiceServicer_to_server(service, server)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    enable_reflection((SERVICE, health.SERVICE_NAME), server)
    try:
        port = server.add_insecure_port(str(settings.listen))
    except RuntimeError as error:
        raise _taken("--listen", settings.listen) from error
    if port == 0:
        raise _taken("--listen", settings.listen)
    return server, Address(settings.listen.host, port)


async def _http_server(stack: AsyncExitStack, address: Address, app: web.Application) -> Address:
    runner = web.AppRunner(app, access_log=None, logger=errors, shutdown_timeout=GRACE)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, address.host, address.port).start()
    except OSError as error:
        raise _taken("--http", address, error) from error
    return Address(address.host, runner.addresses[0][1])


def _check_free(flag: str, address: Address) -> None:
    """Find out before the store is touched, and before grpc complains in its own words."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except UnicodeError as error:  # a label of the name that is empty or too long
        raise Failure(f"{flag} {address} cannot be had: that is no host name", 2) from error
    except OSError as error:
        raise _taken(flag, address, error) from error


def _taken(flag: str, address: Address, error: OSError | None = None) -> Failure:
    why = _WHY.get(error.errno or 0) if error is not None else None
    why = why or "it is taken, or not an address of this machine"
    return Failure(f"{flag} {address} cannot be had: {why}", 2)


async def _follow_health(elector: Elector, checks: health.aio.HealthServicer) -> None:
    """Report to grpc.health.v1 what /ready reports."""
    told = None
    with suppress(asyncio.CancelledError):
        while True:
            if elector.ready is not told:
                told = elector.ready
                status = health_pb2.HealthCheckResponse
                for name in ("", SERVICE):
                    await checks.set(name, status.SERVING if told else status.NOT_SERVING)
            await elector.changed()
