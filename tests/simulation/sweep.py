"""Many seeds, on several processes; what each brought is small enough to be handed over."""

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.simulation.scenario import run

PORTION = 4  # seeds that a process takes at a time


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one seed."""

    seed: int
    faults: int
    terms: int
    beliefs: int
    seconds: float  # virtual
    broken: tuple[str, ...]  # what was violated, a line each


def judge(seed: int) -> Result:
    """Run one seed."""
    outcome = run(seed)
    verdict = outcome.verdict
    broken = tuple(f"law {each.law}: {each.says}" for each in verdict.violations)
    seconds, struck = outcome.seconds, len(outcome.faults)
    return Result(seed, struck, verdict.terms, verdict.beliefs, seconds, broken)


def sweep(seeds: Sequence[int], processes: int) -> Iterator[Result]:
    """Run seeds; their results come in any order, as soon as they are there."""
    if processes == 1:
        yield from map(judge, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(judge, seeds, PORTION)
