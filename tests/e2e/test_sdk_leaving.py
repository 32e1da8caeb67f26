"""Leaving a term, in every way a process can: the body stops, the resign follows, nothing hangs."""

import asyncio
import gc
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import incumbent
from tests.clients import an_election
from tests.gateways import Gateway, Gateways

LONG = 60  # seconds of ttl: whoever leaves without a resign is led on by nobody for so long
BEGIN = """
import asyncio, gc, incumbent, os, signal, sys, threading, time
address, election = sys.argv[1:]
client = incumbent.Client(address)
def lead(**more):
    term = client.campaign(election, ttl=60, **more).__enter__()
    print("leads", term.token, flush=True)
    return term
"""


@pytest.fixture
def client(gateway: Gateway) -> Iterator[incumbent.Client]:
    with incumbent.Client(gateway.grpc) as client:
        yield client


class Process:
    """A Python process that runs BEGIN and then `script`."""

    def __init__(self, gateway: Gateway, election: str, script: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", BEGIN + script, gateway.grpc, election],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self, within: float = 10.0) -> tuple[int, str]:
        """Wait for its end; the exit code, and what it said on stderr."""
        try:
            _, said = self._process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            pytest.fail(f"still running after {within} s")
        return self._process.returncode, said


@contextmanager
def running(gateway: Gateway, election: str, script: str) -> Iterator[Process]:
    process = Process(gateway, election, script)
    try:
        yield process
    finally:
        process.signal(signal.SIGKILL)
        process.end()


def is_vacant(client: incumbent.Client, election: str) -> bool:
    """Whether the election is vacant within two seconds."""
    for seen in client.observe(election):
        if seen.leader is None:
            return True
        if seen.synced:
            break
    return _becomes_vacant(client, election)


def _becomes_vacant(client: incumbent.Client, election: str) -> bool:
    deadline = time.monotonic() + 2
    while client.leader(election) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


ENDS = {
    "the end of the block": ("with client.campaign(election, ttl=60) as term: print('leads')", 0),
    "an exception": ("with client.campaign(election, ttl=60) as term: print('leads'); 1 / 0", 1),
    "sys.exit": ("with client.campaign(election, ttl=60): print('leads'); sys.exit(7)", 7),
    "sys.exit, never left": ("lead(); sys.exit(7)", 7),
    "the end of the script, never left": ("term = lead()", 0),
    "in a thread": ("threading.Thread(target=lead).start()", 0),
    "in a daemon that goes on": (
        (
            "threading.Thread(target=lambda: (lead(), time.sleep(99)), daemon=True).start()\n"
            "while not client.leader(election): time.sleep(0.01)"
        ),
        0,
    ),
    "garbage: the term": ("term = lead(); del term; time.sleep(0.3); os._exit(3)", 3),
    "garbage: the client": (
        (
            "def f():\n"
            "    with incumbent.Client(address).campaign(election, ttl=60): print('leads')\n"
            "f(); os._exit(3)"
        ),
        3,
    ),
    "asyncio: the end of the block": (
        (
            "async def main():\n"
            "    async with incumbent.AsyncClient(address) as client:\n"
            "        async with client.campaign(election, ttl=60): print('leads')\n"
            "asyncio.run(main())"
        ),
        0,
    ),
    "asyncio: never left": (
        (
            "async def main():\n"
            "    client = incumbent.AsyncClient(address)\n"
            "    await client.campaign(election, ttl=60).__aenter__()\n"
            "    print('leads')\n"
            "asyncio.run(main())"
        ),
        0,
    ),
}


@pytest.mark.parametrize(("script", "code"), ENDS.values(), ids=ENDS)
def test_however_a_process_ends_its_term_is_resigned(
    gateway: Gateway, client: incumbent.Client, script: str, code: int
) -> None:
    election = an_election()
    with running(gateway, election, script) as process:
        assert process.line().startswith("leads")
        ended, said = process.end()
    assert ended == code, said
    assert code in (0, 1) or not said
    assert ("ZeroDivisionError" in said) == (code == 1)
    assert is_vacant(client, election)


INTERRUPTED = {
    "a sync body": "with client.campaign(election): print('leads', flush=True); time.sleep(99)",
    "a term that was never left": "term = lead(); time.sleep(99)",
    "an asyncio body": (
        "async def main():\n"
        "    async with incumbent.AsyncClient(address).campaign(election, ttl=60):\n"
        "        print('leads', flush=True)\n"
        "        await asyncio.sleep(99)\n"
        "asyncio.run(main())"
    ),
}


@pytest.mark.parametrize("script", INTERRUPTED.values(), ids=INTERRUPTED)
def test_ctrl_c_while_leading(gateway: Gateway, client: incumbent.Client, script: str) -> None:
    election = an_election()
    with running(gateway, election, script) as process:
        assert process.line().startswith("leads")
        process.signal(signal.SIGINT)
        code, said = process.end()
    assert code == -signal.SIGINT
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert is_vacant(client, election)


WAITING = {
    "sync": "print('waits', flush=True)\nwith client.campaign(election, ttl=60): print('leads')",
    "asyncio": (
        "async def main():\n"
        "    print('waits', flush=True)\n"
        "    async with incumbent.AsyncClient(address).campaign(election, ttl=60): print('leads')\n"
        "asyncio.run(main())"
    ),
}


@pytest.mark.parametrize("script", WAITING.values(), ids=WAITING)
def test_ctrl_c_while_waiting_leaves_the_queue(
    gateway: Gateway, client: incumbent.Client, script: str
) -> None:
    election = an_election()
    with client.campaign(election), running(gateway, election, script) as process:
        assert process.line() == "waits"
        _await_queue(client, election, 1)
        process.signal(signal.SIGINT)
        assert process.end()[0] == -signal.SIGINT
        _await_queue(client, election, 0)


def _await_queue(client: incumbent.Client, election: str, length: int) -> None:
    deadline = time.monotonic() + 10
    while [each.waiting for each in client.elections() if each.election == election] != [length]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_process_that_dies_anyhow_expires(gateway: Gateway, client: incumbent.Client) -> None:
    election = an_election()
    script = "client.campaign(election, ttl=1).__enter__(); print('leads', flush=True); os._exit(9)"
    with running(gateway, election, script) as process:
        assert process.line() == "leads"
        assert process.end()[0] == 9
        with client.campaign(election, timeout=1.25 + 2) as term:
            assert term.held


def test_nothing_hangs_when_no_gateway_is_left(gateways: Gateways) -> None:
    gateway = gateways.start()
    with running(gateway, an_election(), "lead(); sys.stdin.read()") as process:
        assert process.line().startswith("leads")
        gateway.kill()
        process.signal(signal.SIGINT)
        began = time.monotonic()
        assert process.end()[0] == -signal.SIGINT
        assert time.monotonic() - began < 5 + 2


FORKS = {
    "os._exit": "os._exit(0)",
    "sys.exit": "sys.exit(0)",
    "leaving the block": "term.__exit__(None, None, None); sys.exit(0)",
    "garbage": "del term, client; gc.collect(); sys.exit(0)",
    "an exception": "sys.stderr.close(); 1 / 0",
}


@pytest.mark.parametrize("end", FORKS.values(), ids=FORKS)
def test_a_forked_child_does_not_lead_and_does_no_harm(
    gateway: Gateway, client: incumbent.Client, end: str
) -> None:
    election = an_election()
    script = f"""
term = lead()
if os.fork() == 0:
    assert not term.held and term.remaining() == 0.0
    try: term.guard()
    except incumbent.LeadershipLost as error: assert error.reason == "FORKED"
    try: client.leader(election)
    except incumbent.Closed: print("child knows", flush=True)
    try: incumbent.Client(address).leader(election)
    except incumbent.Closed: print("no gRPC here", flush=True)
    {end}
os.wait()
client.leader(election)  # a round trip on the parent's own connections
print("parent", term.held, term.token, flush=True)
sys.stdin.read()
"""
    with running(gateway, election, script) as process:
        _, token = process.line().split()
        assert process.line() == "child knows"
        assert process.line() == "no gRPC here"
        assert process.line() == f"parent True {token}"
        leader = client.leader(election)
        assert leader is not None
        assert leader.token == int(token)


def test_a_child_that_is_forked_before_the_first_call_may_lead(gateway: Gateway) -> None:
    script = """
if os.fork() == 0:
    with incumbent.Client(address).campaign(election) as term: print("child", term.held, flush=True)
    os._exit(0)
os.wait()
print("parent", lead().held, flush=True)
"""
    with running(gateway, an_election(), script) as process:
        assert process.line() == "child True"
        assert process.line().startswith("leads")
        assert process.line() == "parent True"
        assert process.end()[0] == 0


def test_closing_the_client_resigns_and_leaves_no_thread(gateway: Gateway) -> None:
    before = set(threading.enumerate())
    election = an_election()
    client = incumbent.Client(gateway.grpc)
    term = client.campaign(election, ttl=LONG).__enter__()
    client.close()
    assert not term.held
    assert term.lost.is_set()
    with pytest.raises(incumbent.Closed):
        client.leader(election)
    with pytest.raises(incumbent.LeadershipLost):
        term.guard()
    with incumbent.Client(gateway.grpc) as other, other.campaign(election, no_wait=True):
        pass
    del client, other, term
    gc.collect()
    assert {thread.name for thread in set(threading.enumerate()) - before} <= {"incumbent-client"}


def test_closing_the_client_ends_a_wait_in_another_thread(gateway: Gateway) -> None:
    election = an_election()
    ended: list[BaseException] = []
    waiting = incumbent.Client(gateway.grpc)

    def wait() -> None:
        try:
            with waiting.campaign(election):
                pass
        except incumbent.IncumbentError as error:
            ended.append(error)

    with incumbent.Client(gateway.grpc) as client, client.campaign(election):
        thread = threading.Thread(target=wait)
        thread.start()
        _await_queue(client, election, 1)
        waiting.close()
        thread.join(5)
        assert isinstance(ended[0], incumbent.Closed)
        _await_queue(client, election, 0)


async def test_a_campaign_that_is_cancelled_at_once_leaves_no_ghost(gateway: Gateway) -> None:
    """Its resign may not overtake its `enter`, whatever was sent until then."""
    prefix = an_election() + "/"
    async with incumbent.AsyncClient(gateway.grpc) as client:
        elections = [f"{prefix}{number}" for number in range(30)]
        for number, election in enumerate(elections):
            campaign = asyncio.create_task(client.campaign(election, ttl=LONG).__aenter__())
            await asyncio.sleep(number / 5_000)
            campaign.cancel()
            await asyncio.wait([campaign])
    async with incumbent.AsyncClient(gateway.grpc) as client:
        async with asyncio.timeout(5):
            while [each async for each in client.elections(prefix)]:
                await asyncio.sleep(0.02)
