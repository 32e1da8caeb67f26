"""Gateways in a fraction of a second: forked from one process that has imported everything.

For tests that start dozens. Each is a process of its own, which can be killed like any other.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import incumbent_backends.sqlite  # noqa: F401 - so that the children need not
from incumbent_server.__main__ import main
from tests.gateways import START

ROOT = Path(__file__).parents[1]


class Nursling:
    """One gateway; `grpc` is its address."""

    def __init__(self, pid: int, grpc: str, http: str) -> None:
        self.grpc = grpc
        self._http = http
        self._pid = pid
        self._end = os.pidfd_open(pid)

    def serving(self) -> None:
        """Wait until it serves and its store has answered."""
        give_up = time.monotonic() + START
        while not self._ready():
            assert time.monotonic() < give_up
            time.sleep(0.01)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self._http}/ready", timeout=5):
                return True
        except urllib.error.HTTPError as answer:
            answer.close()
        except OSError:
            pass
        return False

    def kill(self) -> None:
        """End it at once, as kill -9 does."""
        signal.pidfd_send_signal(self._end, signal.SIGKILL)
        select.select([self._end], [], [])
        os.close(self._end)


class Nursery:
    """Starts gateways on the given store."""

    def __init__(self, store: str, log: Path) -> None:
        self._store = store
        self._log = log
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.nursery"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self, grpc: str, http: str, *flags: str) -> Nursling:
        """Start a gateway at these addresses without waiting."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        argv = ["--backend", self._store, "--listen", grpc, "--http", http, *flags]
        print(json.dumps([str(self._log), argv]), file=self._process.stdin, flush=True)
        return Nursling(int(self._process.stdout.readline()), grpc, http)

    @property
    def output(self) -> str:
        """What all of them said."""
        return self._log.read_text()

    def close(self) -> None:
        self._process.communicate(timeout=10)


@contextmanager
def nursery(store: str, log: Path) -> Iterator[Nursery]:
    nursery = Nursery(store, log)
    try:
        yield nursery
    finally:
        nursery.close()


def _serve() -> None:
    living: set[int] = set()
    for line in sys.stdin:
        log, argv = json.loads(line)
        living.difference_update([pid for pid in living if os.waitpid(pid, os.WNOHANG)[0]])
        pid = os.fork()
        if not pid:
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for number in (1, 2):
                os.dup2(output, number)
            os._exit(main(argv))
        living.add(pid)
        print(pid, flush=True)
    for pid in living:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    _serve()
