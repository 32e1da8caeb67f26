"""`incumbent run` and signals: they end who waits, and go to COMMAND while it leads."""

import signal
import socket
import sys
from collections.abc import Iterator

import pytest

import incumbent
from tests.clients import an_election, now
from tests.commands import Commands, await_waiting, waiting
from tests.figures import Figures
from tests.gateways import Gateway

LATE = 2.0  # seconds that a busy machine may take more
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
# Says which signals come; ends with the exit code 5 on the one that is its argument.
TELLER = """
import signal, sys, time
def tell(number, _):
    print(signal.Signals(number).name, flush=True)
    if number == int(sys.argv[1]):
        sys.exit(5)
for number in (1, 2, 15):
    signal.signal(number, tell)
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def client(gateway: Gateway) -> Iterator[incumbent.Client]:
    with incumbent.Client(gateway.grpc) as client:
        yield client


@pytest.fixture
def election() -> str:
    return an_election()


@pytest.mark.parametrize("number", SIGNALS)
def test_consul_lock_signals_ignored_while_waiting(
    client: incumbent.Client,
    commands: Commands,
    election: str,
    figures: Figures,
    number: signal.Signals,
) -> None:
    """A signal withdraws who waits, at once; COMMAND never runs."""
    with client.campaign(election):
        run = commands.begin("run", "--election", election, "--", "echo", "ran")
        await_waiting(client, election, 1)
        sent_at = now()
        run.send(number)
        assert run.ended() == (128 + number, "", "")
        figures("run: a signal withdraws who waits", now() - sent_at, LATE)
        assert waiting(client, election) == 0


def test_a_signal_ends_who_finds_no_gateway(commands: Commands, election: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        run = commands.begin("run", "--election", election, "--gateway", address, "--", "true")
        deaf.accept()[0].close()
        run.send(signal.SIGTERM)
        code, out, err = run.ended()
    assert (code, out) == (128 + signal.SIGTERM, "")
    assert err in ("", f"incumbent: {election}: no answer to the resign: the term expires\n")


@pytest.mark.parametrize("number", SIGNALS)
def test_signals_go_to_command_whose_exit_code_counts(
    client: incumbent.Client, commands: Commands, election: str, number: signal.Signals
) -> None:
    words = [sys.executable, "-c", TELLER, int(number)]
    run = commands.begin("run", "--election", election, "--", *words)
    assert run.line() == "ready"
    run.send(number)
    assert run.ended() == (5, f"{number.name}\n", "")
    assert client.leader(election) is None


def test_each_signal_is_passed_on(commands: Commands, election: str) -> None:
    words = [sys.executable, "-c", TELLER, int(signal.SIGTERM)]
    run = commands.begin("run", "--election", election, "--", *words)
    assert run.line() == "ready"
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        run.send(number)
        assert run.line() == number.name
    assert run.ended() == (5, "", "")


def test_kill_follows_after_the_grace_and_leadership_is_kept_until_then(
    client: incumbent.Client, commands: Commands, election: str, figures: Figures
) -> None:
    """The grace is longer than the ttl: heartbeats go on while COMMAND takes its time."""
    options = ["--ttl", "1s", "--grace", "2.5s"]
    run, family = commands.run_family(election, *options, stubborn=True)
    leader = client.leader(election)
    assert leader is not None
    observer = commands.begin("observe", election)
    assert observer.answer()["leader"]["token"] == leader.token
    assert observer.answer() == {"synced": True}
    asked_at = now()
    run.send(signal.SIGTERM)
    assert observer.answer()["leader"] is None  # the very next news
    took = family.last_alive() - asked_at
    figures("run: KILL after --grace 2.5s", took, 2.5 + LATE)
    assert 2.4 < took < 2.5 + LATE
    family.deaths.wait(0)
    assert run.ended()[0] == 128 + signal.SIGKILL


def test_a_signal_reaches_the_whole_group(commands: Commands, election: str) -> None:
    run, family = commands.run_family(election)
    run.send(signal.SIGINT)
    assert run.ended() == (128 + signal.SIGINT, "", "")
    family.deaths.wait(0)
