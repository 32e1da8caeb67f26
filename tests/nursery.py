"""`incumbent-server` in hundredths of a second: forked from a process that has imported it.

A start takes 0.7 s of CPU, all but 0.04 s of it for imports, and the tests start hundreds. What is
forked runs the same `main` with the same arguments and environment, is a process of its own, and is
killed, frozen and waited for like any other. That the script itself starts is in test_start.py.

The nursery is asked over a socket: the arguments and the environment go there with three
descriptors (where the output goes, and a pipe for the exit code), the process id comes back.
"""

import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import IO, Final, NoReturn

ROOT = Path(__file__).parents[1]
REQUEST: Final = 2**20  # bytes, more than any


class Forked:
    """One process of the nursery, with what its tests use of a Popen's interface."""

    def __init__(self, pid: int, stdout: IO[str], stderr: IO[str], end: int) -> None:
        self.pid = pid
        self.stdout = stdout
        self.stderr = stderr
        self.returncode: int | None = None
        self._end = end
        self._lock = Lock()

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._over(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        code = self._over(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def _over(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._end], [], [], timeout)[0]:
            with self._lock:
                if self.returncode is None:
                    self.returncode = int(os.read(self._end, 16))
                    os.close(self._end)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The process that forks, begun when it is first asked; what it forked ends with it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None

    def fork(self, argv: Sequence[str], environ: Mapping[str, str]) -> Forked:
        """Run `incumbent-server` with these arguments in exactly this environment."""
        ends, theirs = zip(*(os.pipe() for _ in range(3)), strict=True)
        with self._lock:
            line = self._line or self._begin()
            socket.send_fds(line, [json.dumps([list(argv), dict(environ)]).encode()], theirs)
            pid = int(line.recv(16))
        for descriptor in theirs:
            os.close(descriptor)
        out, err, end = ends
        return Forked(pid, os.fdopen(out, encoding="utf-8"), os.fdopen(err, encoding="utf-8"), end)

    def _begin(self) -> socket.socket:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, REQUEST)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.nursery", str(theirs.fileno())],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        return self._line

    def close(self) -> None:
        """End it, and whatever of it is still there."""
        if self._line is not None and self._process is not None:
            self._line.close()
            self._process.wait(10)
            self._line = self._process = None


NURSERY: Final = Nursery()


def _serve(line: socket.socket) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, which then hang up
    living: dict[int, tuple[int, int]] = {}  # by descriptor: the process, and where its end is told
    with selectors.DefaultSelector() as selector:
        selector.register(line, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd != line.fileno():
                    selector.unregister(key.fd)
                    _bury(key.fd, *living.pop(key.fd))
                elif not _born(line, living, selector):
                    for process, _ in living.values():
                        os.kill(process, signal.SIGKILL)
                    return


def _born(
    line: socket.socket, living: dict[int, tuple[int, int]], selector: selectors.BaseSelector
) -> bool:
    """Fork as asked; False when who asks has hung up."""
    request, descriptors, _, _ = socket.recv_fds(line, REQUEST, 3)
    if not request:
        return False
    out, err, end = descriptors
    pid = os.fork()
    if not pid:
        not_its_own = [line.fileno(), end, *living, *(told for _, told in living.values())]
        _become(*json.loads(request), output=(out, err), closing=not_its_own)
    os.close(out)
    os.close(err)
    there = os.pidfd_open(pid)
    living[there] = (pid, end)
    selector.register(there, selectors.EVENT_READ)
    line.send(str(pid).encode())
    return True


def _become(
    argv: list[str], environ: dict[str, str], *, output: tuple[int, int], closing: Sequence[int]
) -> NoReturn:
    for number, descriptor in zip((1, 2), output, strict=True):
        os.dup2(descriptor, number)
    for descriptor in (*output, *closing):
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environ)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        code = main(argv)
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException:  # noqa: BLE001 - told as the interpreter tells it
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _bury(there: int, pid: int, end: int) -> None:
    os.close(there)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.write(end, str(code).encode())
    os.close(end)


if __name__ == "__main__":
    # The gateway first, which keeps gRPC quiet; then every driver, as whatever a gateway imports
    # later it would import for itself alone.
    from incumbent_server.__main__ import load, main

    load()
    import incumbent_backends.consul
    import incumbent_backends.etcd
    import incumbent_backends.memory
    import incumbent_backends.postgres_advisory
    import incumbent_backends.postgres_lease
    import incumbent_backends.sqlite  # noqa: F401

    _serve(socket.socket(fileno=int(sys.argv[1])))
