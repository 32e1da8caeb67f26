"""The command `python -m bench [SCENARIO…]`."""

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from bench import campaign, churn, handover, handover_etcd, heartbeats, report, terms
from bench.figures import Report
from bench.progress import Progress

Scenario = Callable[..., Awaitable[Report]]
SCENARIOS: dict[str, Scenario] = {
    "heartbeats": heartbeats.run,
    "campaign": campaign.run,
    "terms": terms.run,
    "observe-churn": churn.run,
    "handover": handover.run,
    "handover-etcd": handover_etcd.run,
    "handover-postgres": handover.run_postgres,
    "handover-advisory": handover.run_advisory,
    "handover-consul": handover.run_consul,
}


async def measure(names: Sequence[str], *, quick: bool, folder: Path | None) -> list[Report]:
    """Run scenarios one after the other, each with servers and a folder of its own."""
    progress, reports = Progress(), []
    if (task := asyncio.current_task()) is not None:  # on SIGTERM the servers end with us
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    for name in names:
        with tempfile.TemporaryDirectory(prefix="incumbent-bench-", dir=folder) as place:
            result = await SCENARIOS[name](Path(place), progress, quick=quick)
        progress.end()
        print(report.table(result), flush=True)
        reports.append(result)
    return reports


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the gateway.")
    parser.add_argument("scenario", nargs="*", help=f"of {', '.join(SCENARIOS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="smaller, 2 minutes for all")
    parser.add_argument("--folder", type=Path, help="where the SQLite files go; default: temporary")
    chosen = parser.parse_args()
    names = chosen.scenario or list(SCENARIOS)
    if unknown := [name for name in names if name not in SCENARIOS]:
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    before = report.load()
    print(f"{report.summary(report.machine())}; load before {before}", file=sys.stderr)
    reports = asyncio.run(measure(names, quick=chosen.quick, folder=chosen.folder))
    path = report.write(reports, quick=chosen.quick, before=before)
    print(
        f"\nwritten to {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}"
    )


if __name__ == "__main__":
    main()
