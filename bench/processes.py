"""Server processes to measure: the gateway, and the floor that stands for gRPC alone."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 20.0  # seconds for a process to come up or to end
_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int | str = "self") -> float:
    """CPU of all threads of a process so far, user and system, to 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def resident_kb(pid: int | str = "self") -> int:
    """Resident memory of a process in kB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ProcessLookupError(f"process {pid} has no memory: it ended")


@dataclass(frozen=True, slots=True)
class Server:
    """A server process that serves gRPC at `address`."""

    name: str
    process: subprocess.Popen[bytes]
    address: str

    def cpu(self) -> float:
        return cpu_seconds(self.process.pid)

    def resident(self) -> int:
        return resident_kb(self.process.pid)

    def ask(self) -> dict[str, int]:
        """Ask a traced gateway for its counts: a line in, a line of JSON out."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        counts: dict[str, int] = json.loads(self.process.stdout.readline())
        return counts


@asynccontextmanager
async def gateway(
    folder: Path,
    name: str = "gateway",
    *,
    ttl: str = "15s",
    traced: bool = False,
    store: str | None = None,
) -> AsyncIterator[Server]:
    """Run the real gateway, its logs in a file of `folder`: on a SQLite file there, or `store`."""
    module = "bench.traced" if traced else "incumbent_server"
    command = ["-m", module, "--backend", store or store_url(folder), "--backend-ttl", ttl]
    command += ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--drain", "0s"]
    async with _running(name, command, folder / f"{name}.log") as server:
        yield server


@asynccontextmanager
async def floor(folder: Path) -> AsyncIterator[Server]:
    """Run empty handlers over the gateway's gRPC options and message types."""
    async with _running("floor", ["-m", "bench.floor"], folder / "floor.log") as server:
        yield server


def store_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'bench.db'}"


@asynccontextmanager
async def _running(name: str, command: Sequence[str], log: Path) -> AsyncIterator[Server]:
    process = _spawn(command, log)
    try:
        yield Server(name, process, await _address(process, log))
    finally:
        await _end(process)


def _spawn(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as stderr:
        return subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={key: value for key, value in os.environ.items() if "INCUMBENT_" not in key},
        )


async def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait for the line that says where it serves."""
    async with asyncio.timeout(PATIENCE):
        while process.poll() is None:
            if address := _served(log):
                return address
            await asyncio.sleep(0.02)
    raise RuntimeError(f"{process.args!r} ended: {_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text()[-2_000:]


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
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
