"""What starting a server of one's own needs: a user, a port, an end with the test run."""

import ctypes
import os
import pwd
import secrets
import signal
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """In the child: a test run that is killed leaves no server behind."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def unprivileged() -> dict[str, Any]:
    """How to start what refuses root: as postgres or nobody."""
    if os.getuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = known.get("postgres") or known["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def reachable(folder: Path) -> Path:
    """Let others than root into a temporary folder, and through those that it is in."""
    folder.chmod(0o755)
    for parent in folder.parents:
        if parent == Path(tempfile.gettempdir()):
            return folder
        parent.chmod(0o711)
    raise ValueError(f"{folder} is in no temporary folder")


def free_port() -> int:
    return free_ports(1)[0]


def free_address() -> str:
    return f"127.0.0.1:{free_port()}"


def free_ports(count: int) -> list[int]:
    """Ports that nobody has, all different, and that nobody is given who asks the system for one.

    So a server that is down for a while finds its own free when it is started again. They are drawn
    by the system's chance: Hypothesis gives each of its tests the same.
    """
    lowest, over = 10_000, max(20_000, _first_given_out())
    found: set[int] = set()
    while len(found) < count:
        port = lowest + secrets.randbelow(over - lowest)
        with (
            suppress(OSError),
            socket.socket() as tcp,
            socket.socket(type=socket.SOCK_DGRAM) as udp,
        ):
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
            found.add(port)
    return list(found)


def _first_given_out() -> int:
    """The lowest port that the system chooses by itself."""
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


def children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []
