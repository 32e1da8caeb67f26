"""The guard of `incumbent run` on its own, a real process, told what `run` would tell it.

That which needs a gateway is in tests/e2e/test_run*.py.
"""

import math
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

import incumbent._cli.guard
from incumbent._cli.guard.linux import boottime
from incumbent._cli.guard.plan import Cause
from incumbent._cli.guard.wire import (
    Channel,
    End,
    Ended,
    Gone,
    NotStarted,
    Start,
    Started,
    Stopped,
    Until,
    channels,
)
from tests.commands import PATIENCE, ROOT, Deaths, Family

GUARD = Path(incumbent._cli.guard.__file__).parent
LATE = 2.0  # seconds that a busy machine may take more
Kind = TypeVar("Kind")


class Guard:
    """A guard and the socket to it."""

    def __init__(self, command: Sequence[str], **how: object) -> None:
        self.channel, end = channels()
        with end:
            end.set_inheritable(True)
            words = [sys.executable, "-I", "-S", str(GUARD), str(end.fileno()), *command]
            self.process = subprocess.Popen(
                words, close_fds=False, cwd=ROOT, stdout=subprocess.PIPE, text=True
            )

    def start(self, trust: float = 60.0, grace: float = 10.0, **environ: str) -> None:
        assert self.channel.send(Start(boottime() + trust, grace, environ, None))

    def hear(self, kind: type[Kind]) -> Kind:
        """The next message, which is of this kind."""
        while (message := self._receive()) is None:
            assert select.select([self.channel], [], [], PATIENCE)[0], "the guard says nothing"
        assert isinstance(message, kind), message
        return message

    def _receive(self) -> object:
        try:
            return self.channel.receive()
        except Gone as gone:
            return gone

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def family(self, life: Path, trust: float, grace: float) -> Family:
        """Start tests/worker.py, which the guard was made for."""
        self.start(trust, grace)
        self.hear(Started)
        return Family(self.line(), life)


@contextmanager
def guarding(*command: str) -> Iterator[Guard]:
    guard = Guard(command)
    try:
        yield guard
    finally:
        guard.process.kill()
        guard.process.wait(PATIENCE)
        guard.channel.close()
        assert guard.process.stdout is not None
        guard.process.stdout.close()


@pytest.fixture
def life(tmp_path: Path) -> Path:
    return tmp_path / "life"


@contextmanager
def guarded_family(
    life: Path, *mode: str, trust: float = 60.0, grace: float = 10.0
) -> Iterator[tuple[Guard, Family]]:
    with guarding(sys.executable, "-m", "tests.worker", str(life), *mode) as guard:
        family = guard.family(life, trust, grace)
        try:
            yield guard, family
        finally:
            family.deaths.kill()


def test_it_tells_the_exit_code_and_ends() -> None:
    with guarding("sh", "-c", 'echo "$INCUMBENT_TOKEN"; exit 7') as guard:
        guard.start(INCUMBENT_TOKEN="42")
        guard.hear(Started)
        assert guard.line() == "42"
        assert guard.hear(Ended) == Ended(7, Cause.ITSELF)
        assert guard.process.wait(PATIENCE) == 0


def test_it_tells_the_signal_that_ended_command() -> None:
    with guarding("sh", "-c", "kill -USR2 $$") as guard:
        guard.start()
        guard.hear(Started)
        assert guard.hear(Ended) == Ended(128 + signal.SIGUSR2, Cause.ITSELF)


def test_it_tells_why_command_could_not_be_started(tmp_path: Path) -> None:
    with guarding(str(tmp_path)) as guard:
        guard.start()
        assert guard.hear(NotStarted).errno
        assert guard.process.wait(PATIENCE) == 0


def test_it_ends_with_run_while_there_is_nothing_to_guard() -> None:
    with guarding("true") as guard:
        guard.channel.close()
        assert guard.process.wait(PATIENCE) == 0


def test_command_has_a_group_of_its_own_in_our_session() -> None:
    script = "import os; print(os.getpid(), os.getpgrp(), os.getsid(0))"
    with guarding(sys.executable, "-c", script) as guard:
        guard.start()
        pid = guard.hear(Started).pid
        assert guard.line() == f"{pid} {pid} {os.getsid(0)}"


def test_command_gets_our_descriptors_and_none_of_the_guard() -> None:
    ours, other = os.pipe()
    os.set_inheritable(ours, True)
    with guarding("ls", "-l", "/proc/self/fd") as guard:
        guard.start()
        guard.hear(Started)
        guard.hear(Ended)
        assert guard.process.stdout is not None
        open_there = guard.process.stdout.read().split()
    assert str(Path(f"/proc/self/fd/{ours}").readlink()) in open_there
    assert not [name for name in open_there if name.startswith("socket:")]  # as all of its are
    os.close(ours)
    os.close(other)


def test_all_is_dead_before_trust_ends(life: Path) -> None:
    with guarded_family(life, trust=2.0) as (guard, family):
        until = boottime() + 2.0
        ended = guard.hear(Ended)
        assert family.last_alive() < until
        assert ended == Ended(128 + signal.SIGTERM, Cause.TRUST)


def test_all_is_dead_before_trust_ends_though_term_is_ignored(life: Path) -> None:
    with guarded_family(life, "stubborn", trust=2.0) as (guard, family):
        until = boottime() + 2.0
        ended = guard.hear(Ended)
        assert family.last_alive() < until
        assert ended == Ended(128 + signal.SIGKILL, Cause.TRUST)


def test_renewals_keep_command_alive(life: Path) -> None:
    with guarded_family(life, trust=1.0) as (guard, family):
        for _ in range(8):
            guard.channel.send(Until(boottime() + 1.0))
            assert not select.select([guard.channel], [], [], 0.25)[0]
        until = boottime() + 1.0
        assert guard.hear(Ended).cause is Cause.TRUST
        assert until - 1.0 < family.last_alive() < until


def test_a_loss_kills_at_once(life: Path) -> None:
    with guarded_family(life, "stubborn") as (guard, family):
        lost_at = boottime()
        guard.channel.send(Until(-math.inf))
        assert guard.hear(Ended) == Ended(128 + signal.SIGKILL, Cause.TRUST)
        assert family.last_alive() < lost_at + LATE


def test_without_run_all_is_asked_and_killed_after_the_grace(life: Path) -> None:
    with guarded_family(life, "stubborn", grace=0.5) as (guard, family):
        dead_at = boottime()
        guard.channel.close()
        family.deaths.wait()
        assert dead_at + 0.4 < family.last_alive() < dead_at + 0.5 + LATE
        assert guard.process.wait(PATIENCE) == 0


def test_without_run_a_grace_does_not_outlast_trust(life: Path) -> None:
    with guarded_family(life, "stubborn", trust=2.0, grace=60.0) as (guard, family):
        until = boottime() + 2.0
        guard.channel.close()
        family.deaths.wait()
        assert family.last_alive() < until


def test_consul_2022_a_child_of_command_is_not_left_alive(life: Path) -> None:
    """COMMAND ends and its child and its daemon do not: they are ended, and `run` waits for it."""
    with guarded_family(life) as (guard, family):
        os.kill(family.pids["command"], signal.SIGKILL)
        assert guard.hear(Ended) == Ended(128 + signal.SIGKILL, Cause.ITSELF)
        family.deaths.wait(LATE)


def test_a_stopped_command_is_ended_as_well(life: Path) -> None:
    with guarded_family(life) as (guard, family):
        os.killpg(family.pids["command"], signal.SIGSTOP)
        assert guard.hear(Stopped) == Stopped(signal.SIGSTOP)
        guard.channel.send(End(signal.SIGTERM))
        assert guard.hear(Ended) == Ended(128 + signal.SIGTERM, Cause.SIGNAL)


def test_a_signal_goes_to_the_group_and_kill_follows_after_the_grace(life: Path) -> None:
    with guarded_family(life, "stubborn", grace=0.5) as (guard, family):
        asked_at = boottime()
        guard.channel.send(End(signal.SIGINT))
        assert guard.hear(Ended) == Ended(128 + signal.SIGKILL, Cause.SIGNAL)
        assert asked_at + 0.4 < family.last_alive() < asked_at + 0.5 + LATE


def test_the_kernel_kills_command_if_the_guard_is_killed(life: Path) -> None:
    with guarded_family(life, "stubborn") as (guard, family):
        command = Deaths([family.pids["command"]])
        guard.process.kill()
        command.wait(LATE)


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP]
)
def test_what_a_terminal_sends_does_not_end_the_guard_but_reaches_command(
    number: signal.Signals,
) -> None:
    script = (
        "import signal;"
        "print(*(signal.getsignal(n) in (signal.SIG_DFL, signal.default_int_handler)"
        f" for n in [{int(number)}]), flush=True);"
        "signal.pause()"
    )
    with guarding(sys.executable, "-c", script) as guard:
        guard.start()
        guard.hear(Started)
        assert guard.line() == "True"
        guard.process.send_signal(number)
        guard.channel.send(Until(-math.inf))
        assert guard.hear(Ended).cause is Cause.TRUST


def test_the_last_word_is_heard_though_the_guard_had_not_read_ours() -> None:
    """Linux tells the reset first, and the queued message after it."""
    here, end = channels()
    there = Channel(end)
    assert there.send(Ended(7, Cause.ITSELF))
    assert here.send(Until(1.0))
    there.close()
    assert here.receive() == Ended(7, Cause.ITSELF)
    with pytest.raises(Gone):
        here.receive()
    here.close()
