"""`python -m demo [--store NAME]`.

Exit code 0: all came out as promised; 1: it did not; 2: the command line is wrong, or the store
cannot be had here; 130: interrupted; 141: nobody reads the output.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.conductor import conduct
from demo.processes import Failed, Interrupted, Processes
from demo.report import Report, Unread
from demo.stores import STORES
from tests.servers import Missing


@contextmanager
def _folder(report: Report) -> Iterator[Path]:
    """A new folder, which stays only where something goes wrong."""
    folder = Path(tempfile.mkdtemp(prefix="incumbent-demo-"))
    try:
        yield folder
    except (Interrupted, Unread, Missing):  # there is nothing to look at
        shutil.rmtree(folder)
        raise
    except BaseException:
        report.keeps(folder)
        raise
    shutil.rmtree(folder)


def main() -> int:
    """Run it; no process is left, however it ends."""
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description="Kills, freezes and moves leaders for half a minute, on processes of its own in"
        " a temporary folder, and holds what all of them recorded against the laws of leader"
        " election.",
        epilog="Exit code 0: all came out as promised; 1: it did not, and the folder is kept.",
    )
    parser.add_argument(
        "--store",
        choices=sorted(STORES),
        default="sqlite",
        help="what the gateways keep their elections in: a file, or a server of the demo's own"
        " (default: sqlite)",
    )
    store = STORES[parser.parse_args().store]
    began, report = time.monotonic(), Report()
    try:
        with (
            report.running(),
            _folder(report) as folder,
            Processes(folder / "logs") as processes,
        ):
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, lambda *_: processes.interrupt())
            with store(folder) as opened:
                conduct(folder, opened, processes, report)
        report.succeeded(time.monotonic() - began)
    except Failed as failed:
        report.failed(failed.args)
        return 1
    except Missing as missing:
        report.failed(missing.args)
        return 2
    except Interrupted:
        return 130
    except Unread:
        return 141
    return 0


if __name__ == "__main__":
    sys.exit(main())
