"""`make demo`, as a user runs it; and as one who interrupts it, or who breaks it from outside."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(
    r"^ +(?P<number>\d)  (?P<event>\S.*?) +(?P<before>node-\d+) → (?P<after>node-\d+) +"
    r"(?P<token>\d+) → (?P<next>\d+) +(?P<vacancy>[\d,]+) ms +(?P<promised>none|≤ [\d,]+ ms)"
    r"(?P<seen>.*?) *$",
    re.MULTILINE,
)
ENDS = 60  # seconds for what is left of a run; it takes half of that


class Run:
    """One `make demo`, or this command, which keeps its files in `folder`."""

    def __init__(self, folder: Path, *command: str) -> None:
        self.folder = folder
        outer = {name for name in os.environ if name.startswith("MAKE") or name == "MFLAGS"}
        self.process = subprocess.Popen(
            command or ["make", "demo"],
            cwd=ROOT,
            env={name: text for name, text in os.environ.items() if name not in outer}
            | {"TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def await_line(self, start: str) -> None:
        """Read on to the line that begins so."""
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if line.startswith(start):
                return
        pytest.fail("".join(said))

    def end(self) -> tuple[int, str]:
        """Wait for its end; the exit code, and the rest of what it said."""
        said, _ = self.process.communicate(timeout=ENDS)
        return self.process.returncode, said

    def living(self, program: str = "") -> list[int]:
        """The processes that have a file of this run, or its folder, in their command."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                command = path.read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(self.folder) in command and program in command:
                found.append(int(path.parent.name))
        return found

    def left(self) -> list[str]:
        """The folders that it has left."""
        return [path.name for path in self.folder.iterdir()]


@contextmanager
def demo(folder: Path, *command: str) -> Iterator[Run]:
    run = Run(folder, *command)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            os.killpg(run.process.pid, signal.SIGTERM)
            run.end()


@pytest.mark.slow
def test_it_shows_what_it_promises_and_leaves_nothing(tmp_path: Path) -> None:
    with demo(tmp_path) as run:
        code, said = run.end()
    assert code == 0, said
    rows = [match.groupdict() for match in ROW.finditer(said)]
    assert [row["event"] for row in rows] == [
        "kill -9 the leader (KEEP)",
        "kill -9 the leader (RELEASE)",
        "SIGSTOP between check and write",
        "the leader resigns",
        "kill -9 and restart the gateway",
        "drain to a second gateway",
    ], said
    for row, following in pairwise(rows):
        assert (row["after"], row["next"]) == (following["before"], following["token"])
    for row in rows[:4]:
        assert row["before"] != row["after"]
        assert int(row["token"]) < int(row["next"])
    for row in rows[4:]:
        assert (row["before"], row["token"]) == (row["after"], row["next"])
    for row in rows:
        promised = int("0" + re.sub(r"\D", "", row["promised"]))
        assert int(row["vacancy"].replace(",", "")) <= promised + 2_000, said
    assert rows[2]["seen"].strip() == "late write refused, held is false"
    assert "violations: none" in said
    ledger = re.search(r"^ledger: (\d+ writes taken, 1 refused)$", said, re.MULTILINE)
    assert ledger, said
    assert f"beliefs, {ledger[1]}," in said
    assert "\x1b" not in said
    assert not run.left()
    assert not run.living()


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    with demo(tmp_path) as run:
        run.await_line("1/6")
        assert run.living()
        os.killpg(run.process.pid, signal.SIGINT)  # as a terminal does it
        code, _ = run.end()
    assert code
    assert not run.living()
    assert not run.left()


def test_a_closed_pipe_leaves_nothing(tmp_path: Path) -> None:
    with demo(tmp_path, sys.executable, "-m", "demo") as run:
        run.await_line("a gateway and three candidates")
        assert run.process.stdout is not None
        run.process.stdout.close()
        assert run.process.wait(ENDS) == 141
    assert not run.living()
    assert not run.left()


@pytest.mark.parametrize(("word", "code"), [("--help", 0), ("bogus", 2)])
def test_its_arguments_are_read_before_anything_runs(tmp_path: Path, word: str, code: int) -> None:
    with demo(tmp_path, sys.executable, "-m", "demo", word) as run:
        ended, said = run.end()
    assert ended == code
    assert said.startswith("usage: python -m demo")
    assert not run.left()


def test_a_gateway_that_dies_by_itself_is_a_failure_that_keeps_its_logs(tmp_path: Path) -> None:
    with demo(tmp_path) as run:
        run.await_line("1/6")
        (gateway,) = run.living("incumbent-server")
        os.kill(gateway, signal.SIGKILL)
        code, said = run.end()
    assert code
    assert "demo: failed: gateway-1 ended by itself, with exit code -9\n" in said
    assert not run.living()
    (left,) = run.left()
    assert f"demo: the logs and the histories are kept in {tmp_path / left}\n" in said
    assert "serving" in (tmp_path / left / "logs" / "gateway-1.log").read_text()


@pytest.mark.slow
def test_a_fence_that_forgets_is_a_failure(tmp_path: Path) -> None:
    with demo(tmp_path) as run:
        run.await_line("1/6")
        (folder,) = run.left()
        with closing(sqlite3.connect(tmp_path / folder / "ledger.db")) as ledger:
            forget = "AFTER INSERT ON entry BEGIN DELETE FROM fence; END"
            ledger.execute(f"CREATE TRIGGER forget {forget}")
        code, said = run.end()
    assert code
    assert "demo: failed: the late write of node-3 was not refused" in said
    assert not run.living()
