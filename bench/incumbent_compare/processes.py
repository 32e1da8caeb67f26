"""Server processes to measure: the gateway, and the floor that stands for gRPC alone."""

import asyncio
import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from incumbent_compare.usage import cpu_seconds, resident_kb

PATIENCE = 30.0  # seconds for a process to come up or to end
PR_SET_PDEATHSIG = 1
EMPTY: Mapping[str, str] = {}


class Ended(Exception):
    """A server ended, or did not begin to serve; the text is the end of its log."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server process that serves gRPC at `address`."""

    name: str
    process: subprocess.Popen[bytes]
    address: str

    def cpu(self) -> float:
        """CPU seconds so far."""
        return cpu_seconds(self.process.pid)

    def resident(self) -> int:
        """Resident memory in kB."""
        return resident_kb(self.process.pid)

    def kill(self) -> None:
        """As a power cut does."""
        self.process.kill()


def gateway(
    folder: Path, name: str, store: str, namespace: str
) -> AbstractAsyncContextManager[Server]:
    """Run the real gateway on a store, its log in a file of `folder`."""
    command = ["-m", "incumbent_server", "--backend-ttl", "15s", "--drain", "0s"]
    command += ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    command += ["--namespace", namespace, "--log-format", "json"]
    environ = {"INCUMBENT_BACKEND": store}  # a password in it is not for the list of processes
    return _running(name, command, folder / f"{name}.log", environ)


def floor(folder: Path) -> AbstractAsyncContextManager[Server]:
    """Run empty handlers over the gateway's gRPC options and message types."""
    return _running("floor", ["-m", "incumbent_compare.floor"], folder / "floor.log")


def end_with_parent(number: int = signal.SIGTERM) -> None:
    """In a child: a comparison that is killed leaves no process behind."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))


@asynccontextmanager
async def _running(
    name: str, command: Sequence[str], log: Path, environ: Mapping[str, str] = EMPTY
) -> AsyncIterator[Server]:
    process = _spawn(command, log, environ)
    try:
        yield Server(name, process, await _address(name, process, log))
    finally:
        await _end(process)


def _spawn(
    command: Sequence[str], log: Path, environ: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    usual = {key: value for key, value in os.environ.items() if not key.startswith("INCUMBENT_")}
    with log.open("wb") as stderr:
        return subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=usual | dict(environ),
            start_new_session=True,  # Ctrl-C is for us: we end it
            preexec_fn=end_with_parent,  # noqa: PLW1509 one C call
        )


async def _address(name: str, process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait for the line that says where it serves."""
    async with asyncio.timeout(PATIENCE):
        while process.poll() is None:
            if address := _served(log):
                return address
            await asyncio.sleep(0.02)
    raise Ended(f"the {name} ended: {_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text()[-500:].strip()


def _served(log: Path) -> str:
    for line in log.read_text().splitlines():
        if '"event": "serving"' in line and line.endswith("}"):
            return str(json.loads(line)["grpc"])
    return ""


async def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.to_thread(process.wait, PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
