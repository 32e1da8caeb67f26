"""What the command says of a history, and its exit code."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.histories.__main__ import main
from tests.histories.events import Event, Fault, Stored, Trusted
from tests.unit.told import X, believes, verdict, writes

ROOT = Path(__file__).parents[2]
SOUND: list[Event] = [believes("a", 5, 1, 3), writes(2, "a", 5), writes(2.5, "b", 4, taken=False)]
OVERLAP: list[Event] = [
    believes("a", 5, 100, 103),
    Trusted(101, "a", X, 5, 104.0, sent=100.99),
    Fault(102, "nemesis", "stop", "a", note="SIGSTOP"),
    believes("b", 6, 103.5, 106),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def write(path: Path, events: list[Event]) -> None:
    lines = [json.dumps({"what": event.what} | asdict(event)) for event in events]
    path.write_text("".join(f"{line}\n" for line in lines))


def test_a_sound_history(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(path, SOUND)
    assert main([str(path), "--require-writes"]) == 0
    assert capsys.readouterr().out == (
        "3 events in 1.500 s: 1 term, 1 belief, 1 write taken, 1 refused, 0 observers, "
        "0 operations (0 open), 0 faults, 0 torn lines\n"
        "law 2, no two believe at one time, is asked of every belief\n"
        "violations: none\n"
    )


def test_a_violation_is_told_as_a_story(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(path, OVERLAP)
    assert main([str(path)]) == 1
    assert capsys.readouterr().out.partition("violations: ")[2].splitlines() == [
        "1",
        "",
        "law 2: two believers in team/x for 0.500000 s: a under #5, b under #6",
        "  since 100.000000:",
        "    +0.000000 a          granted   team/x #5 until +3.000000 guarded sent -0.010000",
        "    +1.000000 a          trusted   team/x #5 until +4.000000 sent +0.990000",
        "    +2.000000 nemesis    fault     stop a (SIGSTOP)",
        "    +3.500000 b          granted   team/x #6 until +6.000000 guarded sent +3.490000",
    ]


@pytest.mark.parametrize(
    ("events", "missing"),
    [
        ([], "no client believed and no write was taken"),
        (SOUND[:1], "no write was taken"),
        (SOUND[1:], "no client believed"),
        ([SOUND[0], SOUND[2]], "no write was taken"),
    ],
)
def test_a_history_that_proves_nothing(
    path: Path, capsys: pytest.CaptureFixture[str], events: list[Event], missing: str
) -> None:
    write(path, events)
    assert main([str(path)]) == 0
    assert main([str(path), "--require-writes"]) == 1
    assert capsys.readouterr().err == f"this history proves nothing: {missing}\n"


def test_input_that_cannot_be_read(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text("{}\n")
    assert main([str(path)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == f"{path}, line 1: no event is called None\n"


def test_it_is_a_command(path: Path) -> None:
    write(path, OVERLAP)
    command = [sys.executable, "-m", "tests.histories", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "two believers in team/x" in done.stdout


def test_the_counts() -> None:
    told = verdict(*SOUND, *OVERLAP, Stored(1, "store", X, 5, "granted"))
    assert (told.events, told.seconds, told.terms, told.faults) == (8, 102.5, 2, 1)
