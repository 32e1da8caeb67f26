"""What the examples promise of their databases, without a gateway."""

from pathlib import Path

import daemon
import pytest
import scheduler

from fence import Fenced, connect, writing


def test_a_late_write_of_the_predecessor_is_refused_once_its_successor_has_read(
    tmp_path: Path,
) -> None:
    old, new = (connect(str(tmp_path / "checkpoint.db"), daemon.TABLE) for _ in range(2))
    assert daemon.resume(old, 1) == (0, 0)
    daemon.advance(old, 1, 1, 1)
    assert daemon.resume(new, 2) == (1, 1)
    with pytest.raises(Fenced):
        daemon.advance(old, 1, 2, 3)
    daemon.advance(new, 2, 2, 3)
    assert daemon.resume(new, 3) == (2, 3)
    for db in (old, new):
        db.close()


@pytest.mark.parametrize(
    ("ran", "now", "slot"),
    [
        ([], 100, 100),  # a new database
        ([99], 100, 100),
        ([100], 100, 101),
        ([80, 97], 100, 98),  # missed: the oldest comes first
        ([10], 100, 95),  # missed by far: five of them are made up for
        ([105], 100, 106),  # the clock went back: nothing runs twice
    ],
)
def test_the_slot_that_comes_next(tmp_path: Path, ran: list[int], now: int, slot: int) -> None:
    db = connect(str(tmp_path / "runs.db"), scheduler.RUNS)
    with writing(db, scheduler.ELECTION, 7):
        for each in ran:
            db.execute("INSERT INTO run VALUES (2.0, ?, 7, 'node')", (each,))
        db.execute("INSERT INTO run VALUES (1.0, 1000, 7, 'node')")  # of another --every
    assert scheduler.due(db, 2.0, now, backlog=5) == slot
    db.close()
