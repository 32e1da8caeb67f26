"""The command `incumbent-compare`."""

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC
from pathlib import Path

from incumbent_backends.api import BackendError
from incumbent_compare import report
from incumbent_compare.plan import Plan
from incumbent_compare.results import Run
from incumbent_compare.runner import Comparison
from incumbent_compare.scenarios import SCENARIOS
from incumbent_compare.sizes import FULL, QUICK, SMOKE
from incumbent_compare.targets import TARGETS

WITHOUT_SERVER = ("memory", "sqlite")
EPILOG = """\
Examples:
  incumbent-compare
  incumbent-compare --store postgres://me@localhost/test --scenario campaign --scenario handover
  incumbent-compare --store etcd://localhost:2379 --store consul://localhost:8500 --full

Each store is measured under load: give it servers that nobody else needs in the meantime. What it
leaves there it removes at the end: namespaces of its own, the table incumbent_compare_lease, the
prefix incumbent-compare/. Exit code 0: all was measured; 1: some of it is missing, and the report
says why; 2: the command line is wrong; 130: interrupted.
"""
_ALIASES = {
    "postgresql": "postgres",
    "postgresql+advisory": "postgres+advisory",
    "etcds": "etcd",
    "consuls": "consul",
}


def parser() -> argparse.ArgumentParser:
    """Make the parser."""
    made = argparse.ArgumentParser(
        prog="incumbent-compare",
        description="Which store to choose for Incumbent on this machine, and what its gateway"
        " costs beside talking to the store directly.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--store",
        action="append",
        default=[],
        metavar="URL",
        help=f"a store by its URL, of {', '.join(TARGETS)}; memory and sqlite need the name alone;"
        " may be given several times (default: those two)",
    )
    made.add_argument(
        "--scenario",
        action="append",
        default=[],
        metavar="NAME",
        help=f"of {', '.join(SCENARIOS)}; may be given several times (default: all but churn, with"
        " --full all)",
    )
    size = made.add_mutually_exclusive_group()
    size.add_argument(
        "--full", action="store_true", help="more of everything, hours instead of minutes"
    )
    size.add_argument(
        "--smoke",
        action="store_true",
        help="a few operations each, to try whether it works here; its figures say nothing",
    )
    made.add_argument(
        "--folder",
        type=Path,
        help="where SQLite's files go; choose a real disk (default: temporary)",
    )
    made.add_argument(
        "--out",
        type=Path,
        default=Path("compare-results"),
        help="the folder of the results, made if missing (default: %(default)s)",
    )
    return made


def plan(
    arguments: argparse.Namespace, given: Mapping[str, str], missing: Mapping[str, str]
) -> Plan:
    """Make the plan of a command line. ValueError: it cannot be done, and why."""
    sizes = FULL if arguments.full else SMOKE if arguments.smoke else QUICK
    stores: dict[str, str] = {}
    for text in arguments.store:
        name, url = _store(text)
        if name in stores:
            raise ValueError(f"--store {name} is given twice")
        stores[name] = url
    if not stores:
        stores = dict(given) or {name: f"{name}://" for name in WITHOUT_SERVER}
    scenarios = tuple(dict.fromkeys(arguments.scenario)) or tuple(
        name for name, scenario in SCENARIOS.items() if scenario.quick or arguments.full
    )
    if unknown := [name for name in scenarios if name not in SCENARIOS]:
        raise ValueError(f"there is no scenario {unknown[0]!r}; there are {', '.join(SCENARIOS)}")
    if arguments.folder is not None and not arguments.folder.is_dir():
        raise ValueError(f"--folder {arguments.folder} is no folder")
    return Plan(stores, scenarios, sizes, missing)


def _store(text: str) -> tuple[str, str]:
    """The name and the URL of what `--store` was given."""
    scheme, mark, rest = text.partition("://")
    name = _ALIASES.get(scheme, scheme)
    if name not in TARGETS:  # not the rest, which may hold a password
        raise ValueError(f"there is no store {scheme!r}; there are {', '.join(TARGETS)}")
    if name in WITHOUT_SERVER:
        if rest:
            raise ValueError(f"--store {name} takes no address: it is the comparison's own")
        return name, f"{name}://"
    if not mark:
        raise ValueError(f"--store {name} needs an address, as in {name}://host")
    try:
        return name, TARGETS[name].check(text)
    except BackendError as error:
        raise ValueError(f"--store {name}: {error}") from error


def main(
    arguments: Sequence[str] | None = None,
    *,
    given: Mapping[str, str] | None = None,
    missing: Mapping[str, str] | None = None,
) -> int:
    """Measure, write, report. `given`: the stores of who names none; `missing`: those it lacks."""
    made = parser()
    chosen = made.parse_args(arguments)
    try:
        planned = plan(chosen, given or {}, missing or {})
        chosen.out.mkdir(parents=True, exist_ok=True)
    except (ValueError, OSError) as error:
        made.error(str(error))
    print(f"about {_long(planned.seconds())}: {', '.join(planned.stores)}", file=sys.stderr)
    try:
        run = asyncio.run(_compare(planned, chosen.folder))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("\nincumbent-compare: interrupted, nothing is written", file=sys.stderr)
        return 130
    _write(run, chosen.out)
    return 1 if run.missing or not run.series else 0


async def _compare(planned: Plan, folder: Path | None) -> Run:
    task = asyncio.current_task()
    assert task is not None
    # As on Ctrl-C, our processes end with us.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with tempfile.TemporaryDirectory(prefix="incumbent-compare-", dir=folder) as place:
        return await Comparison(planned, Path(place)).run()


def _write(run: Run, folder: Path) -> None:
    """The raw JSON first, then the report that is made of it."""
    path = folder / f"{run.began.astimezone(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(run.model_dump_json(indent=1) + "\n")
    for written in [path, *report.write(run, folder)]:
        shown = written
        with suppress(ValueError):
            shown = written.absolute().relative_to(Path.cwd())
        print(f"written: {shown}")


def _long(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} s"
