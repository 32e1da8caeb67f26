"""No gateway there, or something that is none: the right exception, in time, in plain words."""

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest
from grpc_health.v1 import health, health_pb2_grpc

from incumbent import AsyncClient, Client, Tls, Unavailable
from tests.bodies import waiting
from tests.clients import an_election, now
from tests.figures import Figures
from tests.gateways import Gateway, Gateways
from tests.sdk_process import leading

TIMEOUT = 1.0


@contextmanager
def nothing() -> Iterator[str]:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    yield f"127.0.0.1:{port}"


@contextmanager
def dumb() -> Iterator[str]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def hanging_up() -> Iterator[str]:
    """Takes connections and closes them."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def http() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def another_service() -> Iterator[str]:
    """A gRPC server that knows nothing of elections."""
    server = grpc.server(ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@contextmanager
def no_such_name() -> Iterator[str]:
    yield "gateway.invalid:7400"


WRONG = [nothing, dumb, hanging_up, http, another_service, no_such_name]
wrong = pytest.mark.parametrize("wrong", WRONG, ids=lambda each: each.__name__)
Wrong = Callable[[], AbstractContextManager[str]]

TRACES = re.compile(r'Traceback|File "|\.(py|cc|pyx|h):|0x[0-9a-f]{6}|created_time|<_|object at')


def assert_told_well(told: pytest.ExceptionInfo[Unavailable], address: str) -> None:
    message = str(told.value)
    print(message)
    assert message.startswith(f"no gateway answered within {TIMEOUT:g} s: {address}: ")
    assert not TRACES.search(message), message
    assert len(message) < 400
    assert told.value.__cause__ is None


CALLS: dict[str, Callable[[Client], object]] = {
    "campaign": lambda client: client.campaign(an_election()).__enter__(),
    "leader": lambda client: client.leader("team/x"),
    "observe": lambda client: next(iter(client.observe("team/x"))),
    "elections": lambda client: next(iter(client.elections())),
}


@wrong
def test_what_is_no_gateway(wrong: Wrong, figures: Figures) -> None:
    with wrong() as address, Client(address, timeout=TIMEOUT, plaintext=True) as client:
        for name, call in CALLS.items():
            began = now()
            with pytest.raises(Unavailable) as told:
                call(client)
            took = now() - began
            figures(f"no gateway there: {name} gives up after {TIMEOUT:g} s", took, TIMEOUT)
            assert TIMEOUT / 2 < took < TIMEOUT + 2, name
            assert_told_well(told, address)


@wrong
async def test_what_is_no_gateway_asyncio(wrong: Wrong) -> None:
    with wrong() as address:
        async with AsyncClient(address, timeout=TIMEOUT, plaintext=True) as client:
            began = now()
            results = await asyncio.gather(
                client.campaign(an_election()).__aenter__(),
                client.leader("team/x"),
                anext(aiter(client.observe("team/x"))),
                return_exceptions=True,
            )
            assert TIMEOUT / 2 < now() - began < TIMEOUT + 2
            assert [type(each) for each in results] == [Unavailable] * 3


@wrong
def test_a_wrong_one_before_the_right_one(wrong: Wrong, gateway: Gateway, figures: Figures) -> None:
    """The next address is tried in good time."""
    with wrong() as address, Client([address, gateway.grpc], plaintext=True) as client:
        began = now()
        assert client.leader("team/x") is None
        figures(f"a call, {wrong.__name__} before the right address", now() - began, 10 / 3)
        assert now() - began < 10 / 3 + 2
        began = now()
        with client.campaign(an_election(), ttl=2) as term:
            figures(f"a campaign, {wrong.__name__} before the right address", now() - began, 1)
            assert now() - began < 1 + 2
            assert term.held


def test_tls_against_plaintext(gateway: Gateway) -> None:
    with Client(gateway.grpc, tls=Tls(), timeout=TIMEOUT) as client:
        began = now()
        with pytest.raises(Unavailable) as told:
            client.leader("team/x")
        assert now() - began < TIMEOUT + 2
        assert_told_well(told, gateway.grpc)
        with pytest.raises(Unavailable) as told:
            client.campaign("team/x").__enter__()
        assert_told_well(told, gateway.grpc)


def test_it_comes_up_in_time(gateways: Gateways, figures: Figures) -> None:
    with nothing() as address, Client(address, timeout=30) as client:
        elected = threading.Event()
        campaigning = threading.Thread(target=_lead_once, args=(client, elected))
        campaigning.start()
        assert not elected.wait(1)
        gateways.start("--listen", address)
        began = now()
        assert elected.wait(1.5 + 2)
        figures("the first gateway comes up: a campaign leads", now() - began, 1.5)
        campaigning.join()


def _lead_once(client: Client, elected: threading.Event) -> None:
    with client.campaign(an_election()):
        elected.set()


def test_gone_for_good_while_it_leads(gateways: Gateways, figures: Figures) -> None:
    one = gateways.start()
    with Client(one.grpc, timeout=TIMEOUT) as client:
        with client.campaign(an_election(), ttl=3) as term:
            began = now()
            one.kill()
            assert not term.lost.wait(3 - 0.06 - 1 - 0.5)  # it keeps its trust
            assert term.held
            assert term.lost.wait(1.5 + 2)
            figures("the only gateway gone, ttl 3 s: lost", now() - began, 3)
            assert term.reason == "TRUST_EXPIRED"
            began = now()
        assert now() - began < 1, "there is nobody to resign to"


@pytest.mark.parametrize(("how", "bound"), [("kill", 2), ("freeze", 1 + 1 + 2)])
def test_gone_for_good_while_it_waits(
    gateways: Gateways, figures: Figures, how: str, bound: float
) -> None:
    """Frozen: the next heartbeat goes out within 1 s, and 1 s later its answer is missed."""
    one, election = gateways.start(), an_election()
    with (
        leading("sync", one.grpc, election, ttl=60) as leader,
        Client(one.grpc, timeout=2) as client,
        ThreadPoolExecutor() as threads,
    ):
        leader.leads()
        campaigning = threads.submit(client.campaign(election, ttl=3).__enter__)
        with Client(one.grpc) as other:
            while waiting(other, election) != 1:
                assert not campaigning.done()
        began = now()
        if how == "kill":
            one.kill()
        else:
            one.freeze()
        told = campaigning.exception(bound + 2)
        figures(f"{how} of the gateway while waiting, timeout 2 s: told", now() - began, bound)
        assert isinstance(told, Unavailable)
        assert str(told).startswith(f"no gateway answered within 2 s: {one.grpc}: ")
