"""`incumbent run` under faults: COMMAND and its offspring are dead before trust ends.

A client's trust ends, at the latest, one ttl after the last instant at which it could have sent a
heartbeat: that of the fault. What is asserted beside that is that no successor leads before.
COMMAND, its child and its daemon are stubborn: they ignore TERM.
"""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import incumbent
from tests.clients import an_election, now
from tests.commands import Commands, Deaths, await_waiting
from tests.figures import Figures
from tests.gateways import Gateway, Gateways

TTL = 3.0
LATE = 2.0  # seconds that a busy machine may take more


@pytest.fixture
def client(gateway: Gateway) -> Iterator[incumbent.Client]:
    with incumbent.Client(gateway.grpc) as client:
        yield client


@pytest.fixture
def election() -> str:
    return an_election()


@pytest.fixture
def alone(gateways: Gateways, tmp_path: Path) -> Iterator[tuple[Gateway, Commands]]:
    """A gateway to be harmed, and processes of `incumbent` at it."""
    gateway = gateways.start()
    with Commands(tmp_path, gateway.grpc) as commands:
        yield gateway, commands


def succeed(client: incumbent.Client, election: str) -> float:
    """Lead it; the instant at which that began."""
    with client.campaign(election):
        return now()


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_run_is_killed_or_frozen(
    client: incumbent.Client,
    commands: Commands,
    election: str,
    figures: Figures,
    fault: signal.Signals,
) -> None:
    run, family = commands.run_family(election, "--ttl", f"{TTL}s", stubborn=True)
    harmed_at = now()
    run.send(fault)
    led_at = succeed(client, election)
    family.deaths.wait(0)
    assert family.last_alive() < harmed_at + TTL
    figures(f"run: all dead after {fault.name} of run", family.last_alive() - harmed_at, TTL)
    assert family.last_alive() < led_at
    figures(f"run: dead before a successor leads, {fault.name}", led_at - family.last_alive())
    if fault is signal.SIGSTOP:
        run.send(signal.SIGCONT)
        code, _, err = run.ended()
        assert (code, err.count("\n")) == (75, 1)


def test_run_is_frozen_for_less_than_its_trust(
    client: incumbent.Client, commands: Commands, election: str
) -> None:
    run, family = commands.run_family(election, "--ttl", "10s")
    leader = client.leader(election)
    run.send(signal.SIGSTOP)
    run.send(signal.SIGCONT)
    os.kill(family.pids["command"], 0)
    assert client.leader(election) == leader
    run.send(signal.SIGTERM)
    assert run.ended()[0] == 128 + signal.SIGTERM


def test_the_guard_is_killed(
    client: incumbent.Client, commands: Commands, election: str, figures: Figures
) -> None:
    """The kernel kills COMMAND and `run` the rest, and then it resigns."""
    run, family = commands.run_family(election, stubborn=True)
    observer = commands.begin("observe", election)
    assert observer.answer()["leader"] is not None
    assert observer.answer() == {"synced": True}
    (guard,) = run.children()
    killed_at = now()
    os.kill(guard, signal.SIGKILL)
    assert observer.answer()["leader"] is None
    family.deaths.wait(0)
    figures("run: all dead after kill -9 of the guard", family.last_alive() - killed_at, LATE)
    assert family.last_alive() < killed_at + LATE
    code, _, err = run.ended()
    assert (code, err.count("\n")) == (128 + signal.SIGKILL, 1)


def test_the_guard_is_frozen_and_run_is_asked_to_end(
    commands: Commands, election: str, figures: Figures
) -> None:
    """Heartbeats go on, so trust never ends: it is the grace that does."""
    run, family = commands.run_family(election, "--grace", "0.5s", stubborn=True)
    (guard,) = run.children()
    os.kill(guard, signal.SIGSTOP)
    asked_at = now()
    run.send(signal.SIGTERM)
    assert run.ended() == (128 + signal.SIGKILL, "", "")
    family.deaths.wait(0)
    took = family.last_alive() - asked_at
    figures("run: all dead after TERM and --grace 0.5s, the guard frozen", took, 0.5 + LATE)
    assert 0.4 < took < 0.5 + LATE


def test_the_guard_is_killed_while_run_waits(
    client: incumbent.Client, commands: Commands, election: str
) -> None:
    with client.campaign(election):
        run = commands.begin("run", "--election", election, "--", "echo", "ran")
        await_waiting(client, election, 1)
        (guard,) = run.children()
        os.kill(guard, signal.SIGKILL)
    code, out, err = run.ended()
    assert (code, out, err.count("\n")) == (128 + signal.SIGKILL, "", 1)


def test_the_gateway_is_gone_for_good(
    alone: tuple[Gateway, Commands], election: str, figures: Figures
) -> None:
    gateway, commands = alone
    run, family = commands.run_family(election, "--ttl", f"{TTL}s", stubborn=True)
    killed_at = now()
    gateway.kill()
    code, _, err = run.ended()
    assert code == 75
    assert err.splitlines()[-1].startswith(f"incumbent: leadership of {election} is lost")
    family.deaths.wait(0)
    figures("run: all dead after the last gateway's", family.last_alive() - killed_at, TTL)
    assert family.last_alive() < killed_at + TTL


def test_the_gateway_is_gone_and_the_guard_frozen(
    alone: tuple[Gateway, Commands], election: str, figures: Figures
) -> None:
    """Then `run` kills in time, the guard too, and what that leaves behind."""
    gateway, commands = alone
    run, family = commands.run_family(election, "--ttl", f"{TTL}s", stubborn=True)
    (guard,) = run.children()
    frozen = Deaths([guard])
    os.kill(guard, signal.SIGSTOP)
    killed_at = now()
    gateway.kill()
    assert run.ended()[0] == 75
    family.deaths.wait(0)
    frozen.wait(0)
    figures("run: all dead, the guard frozen", family.last_alive() - killed_at, TTL)
    assert family.last_alive() < killed_at + TTL


def test_who_obeys_term_has_time_to_end_in_order(
    alone: tuple[Gateway, Commands], election: str
) -> None:
    gateway, commands = alone
    script = 'trap "sleep 0.3; echo in order; exit" TERM; echo ready; while :; do sleep 0.05; done'
    words = ["--ttl", f"{TTL}s", "--", "sh", "-c", script]
    run = commands.begin("run", "--election", election, *words)
    assert run.line() == "ready"
    gateway.kill()
    code, out, _ = run.ended()
    assert (code, out) == (75, "in order\n")


def lose(gateways: Gateways, election: str) -> None:
    """Delete the term in the store by hand: its leader is told LOST within a second."""
    with closing(sqlite3.connect(gateways.file, isolation_level=None)) as db:
        db.execute("DELETE FROM incumbent_term WHERE election = ?", (election,))


def test_a_loss_kills_at_once(
    gateways: Gateways, alone: tuple[Gateway, Commands], election: str, figures: Figures
) -> None:
    _, commands = alone
    run, family = commands.run_family(election, "--ttl", "1m", stubborn=True)
    lost_at = now()
    lose(gateways, election)
    code, _, err = run.ended()
    assert (code, err.count("\n")) == (75, 1)
    family.deaths.wait(0)
    figures("run: all dead after the record was deleted", family.last_alive() - lost_at, 1 + LATE)
    assert family.last_alive() < lost_at + 1 + LATE


def sockets(pid: int) -> int:
    """How many sockets a process has open."""
    opened = (str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir())
    return sum(name.startswith("socket:") for name in opened)


def test_restart_campaigns_and_runs_again_after_a_loss(
    gateways: Gateways, alone: tuple[Gateway, Commands], election: str
) -> None:
    gateway, commands = alone
    run, first = commands.run_family(election, "--restart")
    (guard,) = run.children()
    its_sockets = sockets(guard)
    with incumbent.Client(gateway.grpc) as client:
        before = client.leader(election)
        lose(gateways, election)
        second = commands.family(run)
        first.deaths.wait(0)
        after = client.leader(election)
        assert before is not None
        assert after is not None
        assert after.token > before.token
        (guard,) = run.children()
        assert sockets(guard) == its_sockets  # none of the SDK's, which would outlive a kill
        os.kill(second.pids["command"], signal.SIGUSR1)
        assert run.ended()[0] == 128 + signal.SIGUSR1  # its own end is the end
        assert client.leader(election) is None


def test_restart_is_not_for_a_signal(
    gateways: Gateways, alone: tuple[Gateway, Commands], election: str
) -> None:
    _, commands = alone
    run, family = commands.run_family(election, "--restart")
    run.send(signal.SIGTERM)
    assert run.ended()[0] == 128 + signal.SIGTERM
    family.deaths.wait(0)


def test_the_term_moves_to_another_gateway_and_command_runs_on(
    gateways: Gateways, election: str, tmp_path: Path
) -> None:
    one, two = gateways.start(), gateways.start()
    with (
        incumbent.Client(two.grpc) as client,
        Commands(tmp_path, f"{one.grpc},{two.grpc}") as commands,
    ):
        run, family = commands.run_family(election, "--ttl", f"{TTL}s")
        before = client.leader(election)
        one.kill()
        harmed_at = now()
        while now() < harmed_at + TTL:  # it would be dead by then
            os.kill(family.pids["command"], 0)
            assert client.leader(election) == before
        run.send(signal.SIGTERM)
        assert run.ended()[0] == 128 + signal.SIGTERM
