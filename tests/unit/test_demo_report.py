"""What people see of a run: who was late, and that some of it is slack."""

import pytest

from demo.__main__ import _folder
from demo.ledger import Write
from demo.outcome import Led, Outcome
from demo.report import Report
from tests.histories.history import History
from tests.histories.verdict import judge
from tests.servers import Missing

X = "demo/ledger"
WRITES = (
    Write(1.0, X, 1, "a", taken=True),
    Write(1.344, X, 2, "b", taken=True),
    Write(1.4, X, 2, "b", taken=True),
)


def told(within: float | None, capsys: pytest.CaptureFixture[str]) -> list[str]:
    outcome = Outcome("a kill", within, Led("a", 1), Led("b", 2), 1.1, 1.3, "it was killed")
    report = Report()
    report.tells([outcome], WRITES, judge(History([])))
    report.succeeded(25.0)
    return capsys.readouterr().out.splitlines()


def test_what_is_late_within_the_slack_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    said = told(0.3, capsys)
    (row,) = (line for line in said if "a kill" in line)
    assert "344 ms  ≤ 300 ms  it was killed; 44 ms late, within the slack" in row
    assert said[-1] == (
        "demo: everything came out as promised, 1 event with some of 2 s of slack for a busy"
        " machine, in 25.0 s"
    )


@pytest.mark.parametrize("within", [0.35, None])
def test_what_is_in_time_is_not(within: float | None, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(within, capsys)
    assert not any("late" in line or "slack" in line for line in said)
    assert said[-1] == "demo: everything came out as promised, in 25.0 s"


def test_a_folder_without_anything_in_it_is_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Missing), _folder(Report()) as folder:
        raise Missing("consul: not built")
    assert not folder.exists()
    assert "kept" not in capsys.readouterr().out


def test_a_folder_of_a_run_that_failed_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="x"), _folder(Report()) as folder:
        raise ValueError("x")
    assert str(folder) in capsys.readouterr().out.replace("\n", "")
    folder.rmdir()
