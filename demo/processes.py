"""Processes that say JSON lines: started, heard, waited for, and all of them ended."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Condition, Thread
from typing import Any, Self, TypeVar

ROOT = Path(__file__).resolve().parent.parent
LOOK_AGAIN = 0.05  # seconds after which a condition is looked at again without news
END = 10.0  # seconds for a process to end after SIGKILL, and for its last lines to be read

T = TypeVar("T")
Line = Mapping[str, Any]


class Failed(Exception):
    """What was to come about did not: a sentence for each thing that is wrong."""


class Interrupted(Exception):
    """Somebody wants this run to end."""


class Process:
    """A process, and the lines that it has said so far."""

    def __init__(self, name: str, popen: "subprocess.Popen[str]") -> None:
        self.name = name
        self.popen = popen
        self.lines: list[Line] = []  # those that are JSON objects
        self.may_end = False

    def last(self, since: int = 0, **fields: Any) -> Line | None:
        """Find the last line that has these fields, from line number `since` on."""
        for line in reversed(self.lines[since:]):
            if fields.items() <= line.items():
                return line
        return None

    def order(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self.popen.stdin is not None
        try:
            os.write(self.popen.stdin.fileno(), f"{line}\n".encode())
        except BrokenPipeError:
            raise Failed(f"{self.name} was gone when it was told to {line}") from None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; SIGKILL and SIGTERM are to end it."""
        self.may_end = self.may_end or number in (signal.SIGKILL, signal.SIGTERM)
        self.popen.send_signal(number)


class Processes:
    """Every process of a run; none outlives its block. Keeps what each says in a file of `logs`."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._all: list[Process] = []
        self._readers: list[Thread] = []
        self._news = Condition()
        self._heard = 0  # lines and ends, of all processes
        self._interrupted = False

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave no process behind."""
        for process in self._all:
            process.send(signal.SIGKILL)
        for process in self._all:
            process.popen.wait(END)
            assert process.popen.stdin is not None
            process.popen.stdin.close()
        for reader in self._readers:
            reader.join(END)

    def start(self, name: str, *command: str | Path) -> Process:
        """Start a process in a session of its own, so that Ctrl-C reaches the conductor alone."""
        popen = subprocess.Popen(
            [str(word) for word in command],
            cwd=ROOT,
            env=_environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        process = Process(name, popen)
        self._all.append(process)
        reader = Thread(target=self._hear, args=(process,), name=name, daemon=True)
        self._readers.append(reader)
        reader.start()
        return process

    def interrupt(self) -> None:
        """Have the next `until` raise Interrupted; for signal handlers."""
        self._interrupted = True

    def until(self, what: str, holds: Callable[[], T | None], within: float) -> T:
        """Wait until `holds` gives something true, and return that.

        Looks at every news of a process, and now and then without. Raises Failed where it did not
        come in time, or a process ended that should not; Interrupted.
        """
        deadline = time.monotonic() + within
        while True:
            heard = self._heard
            if self._interrupted:
                raise Interrupted
            if found := holds():
                return found
            self._check()
            if time.monotonic() >= deadline:
                raise Failed(f"waited {within:g} s for {what}, and it did not come")
            with self._news:
                self._news.wait_for(lambda: self._heard != heard, LOOK_AGAIN)  # noqa: B023

    def ended(self, process: Process, within: float) -> None:
        """Wait for the end of a process that was told to end. Raises Failed unless it exits 0."""
        what = f"the end of {process.name}"
        self.until(what, lambda: process.popen.poll() is not None, within)
        if code := process.popen.returncode:
            raise Failed(f"{process.name} was told to end, and did so with exit code {code}")

    def _check(self) -> None:
        for process in self._all:
            if not process.may_end and process.popen.poll() is not None:
                code = process.popen.returncode
                raise Failed(f"{process.name} ended by itself, with exit code {code}")

    def _hear(self, process: Process) -> None:
        assert process.popen.stdout is not None
        with process.popen.stdout as said, (self._logs / f"{process.name}.log").open("w") as log:
            for text in said:
                log.write(text)
                line = _parse(text)
                if line is not None:
                    process.lines.append(line)
                    self._tell()
        self._tell()

    def _tell(self) -> None:
        with self._news:
            self._heard += 1
            self._news.notify_all()


def _environ() -> Mapping[str, str]:
    """Our own environment, without settings that are meant for other gateways and clients."""
    return {name: text for name, text in os.environ.items() if not name.startswith("INCUMBENT")}


def _parse(text: str) -> Line | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None
