"""The command `incumbent` in tests: processes of it, what they write, and how they end."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from incumbent import Client
from tests import worker

PROGRAM = Path(sys.executable).with_name("incumbent")
PATIENCE = 20.0  # seconds; a busy machine needs some for the imports alone
ROOT = Path(__file__).parents[1]

Answer = dict[str, Any]


def waiting(client: Client, election: str) -> int:
    """How many candidates wait for a contended election, on the gateway of this client."""
    prefix = election.rpartition("/")[0] + "/"
    return next(each.waiting for each in client.elections(prefix) if each.election == election)


def await_waiting(client: Client, election: str, count: int) -> None:
    """Wait until so many wait; a gateway tells nobody of it by itself."""
    give_up = time.monotonic() + PATIENCE
    while waiting(client, election) != count:
        assert time.monotonic() < give_up, f"not {count} wait for {election}"
        time.sleep(0.01)


class Deaths:
    """Processes whose end is waited for, whosever children they are; their numbers stay theirs."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._alive = {os.pidfd_open(pid): pid for pid in pids}

    def wait(self, seconds: float = PATIENCE) -> None:
        """Wait until all of them are dead."""
        poll = select.poll()
        for descriptor in self._alive:
            poll.register(descriptor, select.POLLIN)
        while self._alive:
            dead = poll.poll(seconds * 1_000)
            assert dead, f"alive after {seconds:g} s: {list(self._alive.values())}"
            for descriptor, _ in dead:
                poll.unregister(descriptor)
                self._forget(descriptor)

    def kill(self) -> None:
        """Kill whoever is alive still."""
        for descriptor in list(self._alive):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            self._forget(descriptor)

    def _forget(self, descriptor: int) -> None:
        os.close(descriptor)
        del self._alive[descriptor]


class Family:
    """The three processes of one tests/worker.py."""

    def __init__(self, told: str, life: Path) -> None:
        self.pids: Mapping[str, int] = json.loads(told)
        self._life = life
        self.deaths = Deaths(self.pids.values())

    def last_alive(self) -> float:
        """The latest instant at which one of them was alive; to be asked once all are dead."""
        return max(instant for _, instant in worker.read(self._life).values())


class Process:
    """A process of `incumbent`, or of a test's own, whose output is read line by line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    @property
    def pid(self) -> int:
        return self.process.pid

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def line(self) -> str:
        """The next line of its output, "" at the end."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def answer(self) -> Answer:
        """The next line of its output, which is JSON."""
        answer = json.loads(self.line())
        assert isinstance(answer, dict)
        return answer

    def write(self, text: str) -> None:
        """Give it something to read."""
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def ended(self, seconds: float = PATIENCE) -> tuple[int, str, str]:
        """Wait for its end: the exit code (-N for a signal), and the rest of both outputs."""
        out, err = self.process.communicate(timeout=seconds)
        assert "Traceback" not in err, err
        return self.process.returncode, out, err

    def children(self) -> list[int]:
        """Its children, none once it is dead. That of `incumbent run` is its guard."""
        with suppress(OSError):
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
            return [int(child) for child in children.split()]
        return []


class Commands:
    """Every process of one test; none outlives it, nor what they run."""

    def __init__(self, folder: Path, gateway: str) -> None:
        self._folder = folder
        self.environ = {
            **{name: text for name, text in os.environ.items() if not name.startswith("INCUMBENT")},
            "INCUMBENT_GATEWAY": gateway,
        }
        self._all: list[Process] = []
        self._families: list[Family] = []

    def begin(self, *words: object, **how: Any) -> Process:
        """Start `incumbent` with these words, or the `program` that is given instead."""
        program = how.pop("program", [str(PROGRAM)])
        standard: dict[str, Any] = {
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "env": self.environ,
        }
        process = subprocess.Popen([*program, *map(str, words)], **(standard | how))
        self._all.append(Process(process))
        return self._all[-1]

    def ask(self, *words: object, **how: Any) -> tuple[int, str, str]:
        """Run `incumbent` to its end: its exit code and both outputs."""
        return self.begin(*words, **how).ended()

    def asked(self, *words: object, **how: Any) -> Answer:
        """Run it; the one line of JSON that it writes."""
        _, out, err = self.ask(*words, **how)
        assert not err, err
        answer = json.loads(out)
        assert isinstance(answer, dict)
        return answer

    def run_family(
        self, election: str, *options: object, stubborn: bool = False, **how: Any
    ) -> tuple[Process, Family]:
        """Start `incumbent run` of tests/worker.py, and wait until the three are there."""
        life = self._folder / f"life-{len(self._families)}"
        mode = ["stubborn"] if stubborn else []
        words = [sys.executable, "-m", "tests.worker", life, *mode]
        run = self.begin("run", "--election", election, *options, "--", *words, cwd=ROOT, **how)
        return run, self.family(run, life)

    def family(self, run: Process, life: Path | None = None) -> Family:
        """Wait for the next family of this `run`."""
        family = Family(run.line(), life or self._folder / f"life-{len(self._families) - 1}")
        self._families.append(family)
        return family

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._all:
            guards = Deaths(process.children())
            process.process.kill()
            process.process.wait(PATIENCE)
            guards.kill()
            for stream in (process.process.stdin, process.process.stdout, process.process.stderr):
                if stream is not None:
                    stream.close()
        for family in self._families:
            family.deaths.kill()
