"""Fifty seeds a run, the seeds that once found something, and the simulation's own promises."""

import os
import statistics
import subprocess
import sys
from functools import cache

import pytest

from incumbent_server import session
from tests.histories.events import Fault, Noted, Returned, Stored, Wrote
from tests.simulation.faults import draw
from tests.simulation.scenario import Outcome, run

SEEDS = range(50)
# Each of these once broke a law; what it found stays mended.
REGRESSIONS = {
    44: "a resign was acknowledged by the gateway that the term had just left",
    72: "who withdrew while the outcome of its bid was unknown stayed in the queue",
    1206: "a shorter ttl, its answers lost, was borne for less than a slow clock makes of it",
    1717: "a lost session's term was ended before the last promise had run out",
    5222: "a hold-back that ended a hair early was never asked for again: vacant for ever",
    5453: "a move that landed after its client was turned away was ended while it trusted",
}


@cache
def told(seed: int) -> Outcome:
    return run(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_law_holds(seed: int) -> None:
    assert told(seed).verdict.violations == ()


@pytest.mark.parametrize("seed", [seed for seed in REGRESSIONS if seed not in SEEDS])
def test_what_once_broke_holds(seed: int) -> None:
    assert told(seed).verdict.violations == ()


def test_a_run_is_worth_its_time() -> None:
    outcomes = [told(seed) for seed in SEEDS]
    assert statistics.median(len(outcome.faults) for outcome in outcomes) >= 3
    assert min(outcome.seconds for outcome in outcomes) >= 40
    events = [event for outcome in outcomes for event in outcome.history.events]
    noted = {event.says for event in events if isinstance(event, Noted)}
    assert noted >= {"came twice", "landed late", "answer lost", "drains", "jeopardy", "lost"}
    assert "expired" in noted
    assert {event.change for event in events if isinstance(event, Stored)} >= {"moved", "updated"}
    assert "kill" in {event.kind for event in events if isinstance(event, Fault)}
    assert False in {event.taken for event in events if isinstance(event, Wrote)}
    assert "ok" in {event.outcome for event in events if isinstance(event, Returned)}
    assert sum(outcome.verdict.beliefs for outcome in outcomes) >= 500


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


def test_promises_beyond_the_session_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checker can fail: without the cap on trust some seed finds two believers."""

    def trust(_: session.Session, __: float, ttl: float) -> float:
        return ttl

    monkeypatch.setattr(session.Session, "trust", trust)
    found = (violation for seed in SEEDS for violation in run(seed).verdict.violations)
    assert any(violation.law == 2 for violation in found)
