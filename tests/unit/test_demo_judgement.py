"""What the demo makes of a run: a sound one passes; each thing that can be wrong is told."""

import math
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from demo.conductor import record_writes
from demo.judgement import complaints
from demo.ledger import Ledger, Write
from demo.outcome import Led, Outcome, vacancy
from tests.histories.events import Granted
from tests.histories.history import History
from tests.histories.reader import read
from tests.histories.verdict import Verdict, judge

X = "demo/ledger"
A, B = Led("a", 1), Led("b", 2)
BELIEFS = (
    Granted(0.5, "a", X, 1, 4.0, guarded=True),
    Granted(5.0, "b", X, 2, 15.0, guarded=True),
)
WRITES = (
    Write(1.0, X, 1, "a", taken=True),
    Write(1.1, X, 1, "a", taken=True),
    Write(5.1, X, 2, "b", taken=True),
    Write(5.2, X, 1, "a", taken=False),
    Write(5.4, X, 2, "b", taken=True),
    Write(5.5, X, 2, "b", taken=True),
)
SUCCEEDED = Outcome("a kill", 5.0, A, B, 1.15, 5.3, "")
KEPT = Outcome("a drain", None, B, B, 5.1, 5.45, "")


def judged(writes: Sequence[Write], folder: Path, beliefs: Sequence[Granted] = BELIEFS) -> Verdict:
    path = folder / "ledger.jsonl"
    record_writes(writes, path)
    return judge(History([*read([path]).events, *beliefs]))


def told(
    folder: Path, writes: Sequence[Write] = WRITES, outcomes: Sequence[Outcome] = (SUCCEEDED, KEPT)
) -> list[str]:
    return list(complaints(outcomes, writes, judged(writes, folder)))


def test_a_sound_run_passes(tmp_path: Path) -> None:
    assert told(tmp_path) == []


def test_an_empty_history_is_a_failure() -> None:
    assert list(complaints([SUCCEEDED, KEPT], WRITES, judge(History([])))) == [
        "the history proves nothing: no client believed and no write was taken",
        "the history lacks writes: 5 were taken, and 1 refused",
    ]


def test_beliefs_alone_are_a_failure(tmp_path: Path) -> None:
    wrong = told(tmp_path, writes=(), outcomes=())
    assert wrong[0] == "the history proves nothing: no write was taken"


def test_a_history_that_lacks_a_write_is_a_failure(tmp_path: Path) -> None:
    wrong = complaints([SUCCEEDED], WRITES, judged(WRITES[:-1], tmp_path))
    assert list(wrong) == ["the history lacks writes: 5 were taken, and 1 refused"]


def test_an_empty_fence_is_a_failure(tmp_path: Path) -> None:
    """The ledger's fence is cleared by hand: the late write is taken, and found out."""
    path = tmp_path / "ledger.db"
    ledger = Ledger.create(path)
    assert ledger.append(X, 1, "a")
    assert ledger.append(X, 2, "b")
    assert not ledger.append(X, 1, "a")
    with closing(sqlite3.connect(path, isolation_level=None)) as hand:
        hand.execute("DELETE FROM fence")
        hand.execute("DELETE FROM refusal")
    assert ledger.append(X, 1, "a")
    writes = ledger.writes()
    ledger.close()
    assert list(complaints([], writes, judged(writes, tmp_path))) == [
        "violations in the history: 1",
        "the fence refused nothing: nobody has seen it at work",
    ]


@pytest.mark.parametrize(
    ("outcome", "wrong"),
    [
        (
            Outcome("a drain", None, A, B, 5.1, 5.45, ""),
            "a drain: a did not keep token 1",
        ),
        (
            Outcome("a kill", 5.0, B, A, 1.15, 5.3, ""),
            "a kill: token 1 came after token 2",
        ),
        (
            Outcome("a kill", 5.0, B, Led("a", 2), 1.15, 5.3, ""),
            "a kill: token 2 came after token 2",
        ),
        (
            Outcome("a kill", 1.5, A, B, 1.15, 5.3, ""),
            "a kill: no write for 4.000 s, 3.500 s at most were to be",
        ),
        (
            Outcome("a drain", None, B, B, 1.15, 5.3, ""),
            "a drain: no write for 4.000 s, 2.000 s at most were to be",
        ),
        (
            Outcome("a drain", None, B, B, 5.4, 6.0, ""),
            "a drain: no write for inf s, 2.000 s at most were to be",
        ),
    ],
)
def test_what_was_promised_and_did_not_come_is_told(
    tmp_path: Path, outcome: Outcome, wrong: str
) -> None:
    assert told(tmp_path, outcomes=[outcome]) == [wrong]


def test_a_vacancy_is_the_longest_time_without_a_write_around_the_event() -> None:
    assert vacancy(SUCCEEDED, WRITES) == pytest.approx(4.0)
    assert vacancy(KEPT, WRITES) == pytest.approx(0.3)  # the refused write between is none
    assert vacancy(KEPT, WRITES[-1:]) == math.inf
