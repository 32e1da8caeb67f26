"""The demo's processes: what is waited for and does not come is said in one sentence."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.processes import Failed, Interrupted, Process, Processes

SOON = 0.2  # seconds
LATER = 10.0


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path) as processes:
        yield processes


def shell(processes: Processes, script: str) -> Process:
    return processes.start("a", "sh", "-c", script)


def test_what_a_process_says_is_heard_and_kept(processes: Processes, tmp_path: Path) -> None:
    process = shell(processes, """echo noise; echo '{"tells": "wrote", "token": 7}'; read order""")
    line = processes.until("a word", lambda: process.last(tells="wrote"), LATER)
    assert line == {"tells": "wrote", "token": 7}
    assert process.last(tells="lost") is None
    assert process.last(1, tells="wrote") is None
    process.send(signal.SIGTERM)
    process.popen.wait(LATER)
    processes.until("its log", lambda: (tmp_path / "a.log").read_text().startswith("noise"), LATER)


def test_what_does_not_come_is_named(processes: Processes) -> None:
    process = shell(processes, "read order")
    with pytest.raises(Failed, match=r"^waited 0\.2 s for a word, and it did not come$"):
        processes.until("a word", lambda: process.last(tells="wrote"), SOON)


def test_an_end_that_nobody_asked_for_ends_the_waiting(processes: Processes) -> None:
    process = shell(processes, "exit 3")
    with pytest.raises(Failed, match=r"^a ended by itself, with exit code 3$"):
        processes.until("a word", lambda: process.last(tells="wrote"), LATER)


def test_an_end_that_was_asked_for_has_to_be_a_good_one(processes: Processes) -> None:
    process = shell(processes, "trap 'exit 4' TERM; echo {}; while :; do sleep 0.01; done")
    processes.until("its start", lambda: process.last() is not None, LATER)
    process.send(signal.SIGTERM)
    with pytest.raises(Failed, match=r"^a was told to end, and did so with exit code 4$"):
        processes.ended(process, LATER)


def test_who_is_gone_takes_no_orders(processes: Processes) -> None:
    process = shell(processes, "exec <&-; echo {}; exec sleep 60")
    processes.until("its start", lambda: process.last() is not None, LATER)
    with pytest.raises(Failed, match=r"^a was gone when it was told to resign$"):
        process.order("resign")


def test_an_interrupt_ends_the_waiting(processes: Processes) -> None:
    process = shell(processes, "read order")
    processes.interrupt()
    with pytest.raises(Interrupted):
        processes.until("a word", lambda: process.last(tells="wrote"), LATER)


@pytest.mark.parametrize("state", [None, signal.SIGSTOP, signal.SIGKILL])
def test_none_outlives_the_block(tmp_path: Path, state: signal.Signals | None) -> None:
    with Processes(tmp_path) as processes:
        process = shell(processes, "trap '' INT TERM HUP; exec sleep 60")
        if state is not None:
            process.send(state)
    assert process.popen.returncode == -signal.SIGKILL
