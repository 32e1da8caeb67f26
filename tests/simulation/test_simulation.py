"""Some seeds, and the simulation's own promises. `.ci/run` takes a thousand seeds more."""

import os
import statistics
import subprocess
import sys
from functools import cache

import pytest

from tests.histories.events import Fault, Held, Noted, Returned, Stored, Wrote
from tests.simulation.faults import Kind, draw
from tests.simulation.scenario import Outcome, run
from tests.simulation.shrink import shrink
from tests.simulation.sweep import judge, sweep

SEEDS = range(30)


@cache
def told(seed: int) -> Outcome:
    return run(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_law_holds(seed: int) -> None:
    assert told(seed).verdict.violations == ()


def test_a_run_is_worth_its_time() -> None:
    outcomes = [told(seed) for seed in SEEDS]
    assert statistics.median(len(outcome.faults) for outcome in outcomes) >= 3
    assert min(outcome.seconds for outcome in outcomes) >= 50
    events = [event for outcome in outcomes for event in outcome.history.events]
    noted = {event.says for event in events if isinstance(event, Noted)}
    assert noted >= {"came twice", "landed late", "answer lost", "drains", "jeopardy", "lost"}
    assert "expired" in noted
    assert {event.change for event in events if isinstance(event, Stored)} >= {"moved", "updated"}
    drawn = {str(fault.kind) for outcome in outcomes for fault in outcome.faults}
    assert {event.kind for event in events if isinstance(event, Fault)} >= {"kill", *drawn}
    assert {fault.kind for seed in range(100) for fault in draw(seed)} == set(Kind)
    assert False in {event.taken for event in events if isinstance(event, Wrote)}
    assert True in {event.held for event in events if isinstance(event, Held)}
    assert "ok" in {event.outcome for event in events if isinstance(event, Returned)}
    assert sum(outcome.verdict.beliefs for outcome in outcomes) >= 300


def test_the_same_seed_tells_the_same_story_bit_for_bit() -> None:
    assert run(3).history.fingerprint() == told(3).history.fingerprint()
    assert run(3).history.fingerprint() != told(4).history.fingerprint()
    assert draw(3) == draw(3)


@pytest.mark.parametrize("seed", [5, 11])
def test_a_story_does_not_hang_on_the_process_that_tells_it(seed: int) -> None:
    def tell(hash_seed: str) -> str:
        program = (
            "from tests.simulation.scenario import run\n"
            f"print(*run({seed}).history.fingerprint(), sep='\\n')"
        )
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        return subprocess.run(
            [sys.executable, "-c", program], env=environment, check=True, capture_output=True
        ).stdout.decode()

    assert tell("1") == tell("2")


def test_a_sweep_over_processes_judges_as_one_process_does() -> None:
    alone = {result.seed: result for result in map(judge, range(4))}
    assert {result.seed: result for result in sweep(range(4), 2)} == alone


def test_shrinking_keeps_only_what_the_violation_takes() -> None:
    faults = draw(2)
    needed = [faults[0], faults[-1]]
    asked: list[int] = []

    def breaks(fewer: object) -> bool:
        assert isinstance(fewer, list)
        asked.append(len(fewer))
        return all(fault in fewer for fault in needed)

    assert shrink(faults, breaks) == needed
    assert shrink([], lambda _: True) == []
    assert len(faults) > 4
    assert len(asked) < len(faults) ** 2
