"""What starting a server of one's own needs: a user, a port, an end with the test run."""

import ctypes
import os
import pwd
import signal
import socket
import tempfile
from contextlib import ExitStack
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


def free_ports(count: int) -> list[int]:
    """Ports that nobody has, all different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []
