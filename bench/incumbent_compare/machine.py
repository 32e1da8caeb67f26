"""What was measured on, and with what: no name of a host, no path."""

import os
import platform
import sqlite3
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("incumbent-server", "incumbent-backends", "grpcio", "protobuf")


def machine() -> dict[str, str]:
    """Processor, cores, memory, system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": _processor(),
        "memory": f"{memory:.1f} GiB",
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
    }


def versions() -> dict[str, str]:
    """Of Python and of the packages that are measured."""
    return {
        "python": platform.python_version(),
        "sqlite library": sqlite3.sqlite_version,
        **{name: version(name) for name in _PACKAGES},
    }


def load() -> float:
    """How busy the machine was beside us: the load of the last minute."""
    return round(os.getloadavg()[0], 2)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
