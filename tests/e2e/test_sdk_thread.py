"""The client's own thread: no function of the caller ends it, and nobody waits for a dead one."""

import asyncio
import gc
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from incumbent import (
    AsyncClient,
    CampaignTimeout,
    Client,
    Closed,
    InvalidArgument,
    LeadershipLost,
    Unavailable,
)
from tests.clients import an_election, now
from tests.gateways import Gateway
from tests.sdk_process import ROOT


@contextmanager
def soon(seconds: float = 5.0) -> Iterator[None]:
    began = now()
    yield
    assert now() - began < seconds


@pytest.mark.parametrize("what", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_on_trust_that_exits_is_logged(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, what: type[BaseException]
) -> None:
    def fails(_: object) -> None:
        raise what

    with soon(), Client(gateway.grpc) as client:
        with client.campaign(an_election(), on_trust=fails) as term:
            assert term.held
        assert client.leader(term.election) is None
    assert "on_trust failed" in caplog.text


@pytest.mark.parametrize("what", [SystemExit, KeyboardInterrupt, StopIteration])
def test_a_token_function_that_exits_is_a_failure(
    gateway: Gateway, what: type[BaseException]
) -> None:
    def fails() -> str:
        raise what

    with soon(), Client(gateway.grpc, token=fails, timeout=0.5) as client:
        with pytest.raises(Unavailable, match=what.__name__):
            client.leader(an_election())
        with pytest.raises(Unavailable, match=what.__name__):
            client.campaign(an_election()).__enter__()


@pytest.mark.parametrize("token", ["", "t0ps3cr\u00e9t", "t0ps3cret\n", b"t0ps3cret"])
def test_a_token_function_that_gives_what_cannot_be_sent(gateway: Gateway, token: str) -> None:
    with soon(), Client(gateway.grpc, token=lambda: token) as client:
        for call in (
            lambda: client.leader(an_election()),
            lambda: next(client.observe()),
            lambda: client.campaign(an_election()).__enter__(),
        ):
            with pytest.raises(InvalidArgument, match="token must be printable ASCII") as told:
                call()
            assert "t0ps3" not in str(told.value)


async def _dies() -> None:
    raise SystemExit(3)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_nobody_waits_for_a_thread_that_is_dead(gateway: Gateway) -> None:
    """Whoever waits, in whichever call, is told; and no term of it is believed in any more."""
    client, told = Client(gateway.grpc, timeout=None), list[BaseException]()
    with Client(gateway.grpc) as other, other.campaign(an_election()) as leader:
        term = client.campaign(an_election()).__enter__()

        def wait() -> None:
            try:
                client.campaign(leader.election).__enter__()
            except BaseException as error:  # noqa: BLE001 - the test looks at it
                told.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        while not any(
            each.waiting for each in other.elections() if each.election == leader.election
        ):
            assert thread.is_alive()
        with soon():
            with pytest.raises((SystemExit, Closed)):
                client._engine.submit(_dies).result(5)
            thread.join(5)
            assert [type(error) for error in told] == [Closed]
            assert term.lost.wait(5)
            assert not term.held
            with pytest.raises(LeadershipLost):
                term.guard()
            with pytest.raises(Closed, match="thread has ended: SystemExit"):
                client.leader(leader.election)
            term.__exit__(None, None, None)
            client.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_closing_for_asyncio_when_the_thread_is_dead(gateway: Gateway) -> None:
    client = AsyncClient(gateway.grpc)
    term = client.campaign(an_election())

    async def lead() -> None:
        async with term:
            client._engine.submit(_dies)
            await asyncio.sleep(10)

    with soon():
        with pytest.raises(LeadershipLost):
            await lead()
        with pytest.raises(Closed, match="thread has ended"):
            await client.leader(term.election)
        await client.close()


def test_no_descriptor_is_left_at_the_first_call() -> None:
    program = """
import incumbent, os, resource
client = incumbent.Client("127.0.0.1:1", timeout=1)
resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
try:
    while True: os.dup(0)
except OSError: pass
for call in (lambda: client.leader("a"), lambda: client.campaign("a").__enter__(), client.close):
    try: print(call())
    except incumbent.Closed as error: print(error)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    first, second, closed = ran.stdout.splitlines()
    assert "Too many open files" in first
    assert second == first
    assert closed == "None"


def test_what_was_being_written_is_over_with_its_stream(caplog: pytest.LogCaptureFixture) -> None:
    """Somebody takes the connection and never answers: the `enter` is still being written."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with Client([address, "127.0.0.1:1"], timeout=1) as client:
            with pytest.raises(Unavailable):
                client.campaign(an_election()).__enter__()
            with pytest.raises(CampaignTimeout):
                client.campaign(an_election(), timeout=0.3).__enter__()
            gc.collect()  # before the loop ends, which would cancel what is left over
    assert "was destroyed" not in caplog.text
