"""`python -m demo`. Exit code 0: all came out as promised; 1: it did not; 130: interrupted."""

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
from demo.report import Report


@contextmanager
def _folder(report: Report) -> Iterator[Path]:
    """A new folder, which stays only where something goes wrong."""
    folder = Path(tempfile.mkdtemp(prefix="incumbent-demo-"))
    try:
        yield folder
    except Interrupted:
        shutil.rmtree(folder)
        raise
    except BaseException:
        report.keeps(folder)
        raise
    shutil.rmtree(folder)


def main() -> int:
    """Run it; no process is left, however it ends."""
    began, report = time.monotonic(), Report()
    try:
        with (
            report.running(),
            _folder(report) as folder,
            Processes(folder / "logs") as processes,
        ):
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, lambda *_: processes.interrupt())
            conduct(folder, processes, report)
    except Failed as failed:
        report.failed(failed.args)
        return 1
    except Interrupted:
        return 130
    report.succeeded(time.monotonic() - began)
    return 0


if __name__ == "__main__":
    sys.exit(main())
