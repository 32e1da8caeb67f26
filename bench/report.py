"""Results as a table for people and as a JSON file for comparisons."""

import json
import os
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.figures import Figure, Report

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("incumbent-server", "incumbent-backends", "grpcio", "protobuf")


def machine() -> dict[str, str]:
    """What was measured on: no name of a host, no path."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": _processor(),
        "memory": f"{memory:.1f} GiB",
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def load() -> str:
    """How busy the machine was beside us: the load of the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def write(reports: Sequence[Report], *, quick: bool, before: str) -> Path:
    """Write one JSON file; return its path."""
    now = datetime.now(UTC)
    content = {
        "time": now.isoformat(timespec="seconds"),
        "quick": quick,
        "machine": machine(),
        "load before": before,
        "scenarios": {report.scenario: _plain(report) for report in reports},
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(content, indent=1, default=_plain) + "\n")
    return path


def _plain(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{value!r} is no result")


def table(report: Report) -> str:
    """Draw a scenario's figures."""
    rows = [("", "", "", "range", "goal", ""), *map(_row, report.figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    title = [f"\n{report.scenario}"]
    return "\n".join(
        [*title, *(_line(row, widths) for row in rows), *map("  ! {}".format, report.remarks)]
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    name, value, unit, spread, goal, met = (
        cell.rjust(width) if column == 1 else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return f"  {name}  {value} {unit}  {spread}  {goal}  {met}".rstrip()


def _row(figure: Figure) -> tuple[str, str, str, str, str, str]:
    spread = ""
    if figure.low is not None and figure.high is not None:
        spread = f"{_short(figure.low)} – {_short(figure.high)}"
    goal, met = "", ""
    if figure.goal is not None:
        goal = str(figure.goal)
        met = "met" if figure.goal.met(figure.value) else "MISSED"
    return figure.name, _short(figure.value), figure.unit, spread, goal, met


def _short(value: float) -> str:
    """Three digits that say something, no more."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def summary(machine_of: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {text}" for name, text in machine_of.items())
