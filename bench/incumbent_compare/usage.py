"""CPU and memory of processes, and which process serves at an address of this machine."""

import ipaddress
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_LISTENS = "0A"


def cpu_seconds(pid: int) -> float:
    """CPU of all threads of a process so far, user and system, to 10 ms."""
    return sum(_times(pid)[:2])


def cpu_of_family(pid: int) -> float:
    """The same of a process, its children, and those of its children that have ended."""
    return sum(_times(pid)) + sum(_child(child) for child in _children(pid))


def resident_kb(pid: int) -> int:
    """Resident memory of a process in kB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ProcessLookupError(f"process {pid} has no memory: it ended")


def server_at(host: str, port: int, *names: str) -> int | None:
    """The process of one of these names that listens there, where it is ours to look at.

    None: it is on another machine, in another container, or belongs to somebody else.
    """
    if not _is_here(host):
        return None
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "comm").read_text().strip()
            if name.startswith(names) and sockets & set(_links(folder / "fd")):
                return _eldest(int(folder.name), name)
        except OSError:
            continue  # it has ended, or is somebody else's
    return None


def _eldest(pid: int, name: str) -> int:
    """A child has the listening socket of its parent as well."""
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    same = parent > 1 and Path(f"/proc/{parent}/comm").read_text().strip() == name
    return parent if same else pid


def _is_here(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None)
        return all(ipaddress.ip_address(each[4][0]).is_loopback for each in found)
    except (OSError, ValueError):
        return False


def _listening(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _links(folder: Path) -> Iterator[str]:
    for entry in folder.iterdir():
        with suppress(FileNotFoundError):  # it was closed just now
            yield os.readlink(entry)  # noqa: PTH115 a socket's name is no path


def _times(pid: int) -> tuple[float, ...]:
    """User and system of its own, then of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return tuple(int(field) / _TICK for field in fields[11:15])


def _child(pid: int) -> float:
    try:
        return cpu_seconds(pid)
    except OSError:
        return 0.0


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
