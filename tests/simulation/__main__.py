"""`python -m tests.simulation`: run seeds and tell what broke, or tell one seed's story.

--seeds 1000 --from 5000    these; exit code 1 if any law was broken
--seed 17                   this one: what it broke; -v: its story as a time line
--seed 17 --shrink          the story with as few faults as break it
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence

from tests.histories.story import line
from tests.simulation.faults import Fault, draw
from tests.simulation.scenario import Outcome, run
from tests.simulation.shrink import shrink
from tests.simulation.sweep import Result, sweep

WIDTH = 30  # of the progress bar
EVERY = 0.5  # seconds between two looks of it on a terminal …
SELDOM = 15.0  # … and elsewhere
END = "" if sys.stdout.isatty() else "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=50, help="how many")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first one")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="at one time")
    parser.add_argument("--seed", type=int, help="this one only")
    parser.add_argument("--shrink", action="store_true", help="with as few faults as break a law")
    parser.add_argument("-v", "--verbose", action="store_true", help="print the story")
    options = parser.parse_args()
    if options.seed is not None:
        return tell(options.seed, story=options.verbose, fewer=options.shrink)
    seeds = range(options.first, options.first + options.seeds)
    return run_all(seeds, options.processes)


# -- one seed -------------------------------------------------------------------------------------


def tell(seed: int, *, story: bool, fewer: bool) -> int:
    """Tell one seed's story; 1 if a law was broken."""
    outcome = run(seed)
    if fewer and outcome.verdict.violations:
        outcome = run(seed, shrink(draw(seed), breaks(outcome)))
        story = True
    if story:
        for event in outcome.history.events:
            print(line(event))
    print(f"seed {seed}: {outcome.verdict}")
    for fault in outcome.faults:
        print(fault)
    for violation in outcome.verdict.violations:
        print(f"\n{violation}")
    return 1 if outcome.verdict.violations else 0


def breaks(outcome: Outcome) -> Callable[[Sequence[Fault]], bool]:
    """Make the question whether a law that `outcome` broke is broken with fewer faults, too."""
    laws = {violation.law for violation in outcome.verdict.violations}

    def ask(faults: Sequence[Fault]) -> bool:
        again = run(outcome.seed, faults).verdict.violations
        return not laws.isdisjoint(violation.law for violation in again)

    return ask


# -- many seeds -----------------------------------------------------------------------------------


def run_all(seeds: Sequence[int], processes: int) -> int:
    """Run them with a progress bar; 1 if a law was broken."""
    began = shown = time.perf_counter()
    results: list[Result] = []
    for result in sweep(seeds, processes):
        results.append(result)
        for what in result.broken:
            print(f"\rseed {result.seed}: {what}", flush=True)
        now = time.perf_counter()
        if now - shown > (EVERY if sys.stdout.isatty() else SELDOM):
            shown = now
            print(bar(len(results), len(seeds), now - began), end=END, flush=True)
    taken = time.perf_counter() - began
    print(f"\r{summary(results, taken)}")
    failed = sorted(result.seed for result in results if result.broken)
    if failed:
        print(f"failed: {failed}\nsee one: make simulate ARGS='--seed {failed[0]} --shrink'")
    return 1 if failed else 0


def bar(done: int, of: int, seconds: float) -> str:
    filled = WIDTH * done // of
    speed = done / seconds
    left = (of - done) / speed
    return (
        f"\r[{'#' * filled}{'.' * (WIDTH - filled)}] {done:,} of {of:,} seeds, "
        f"{speed:.1f} a second, {left:.0f} s left "
    )


def summary(results: Sequence[Result], seconds: float) -> str:
    """Tell what the runs were worth."""
    violations = sum(len(result.broken) for result in results) or "none"
    return (
        f"{len(results):,} seeds in {seconds:.1f} s ({len(results) / seconds:.1f} a second): "
        f"{sum(r.terms for r in results):,} terms, {sum(r.beliefs for r in results):,} beliefs; "
        f"violations: {violations}\n"
        f"faults a run: {spread([result.faults for result in results])}\n"
        f"virtual seconds a run: {spread([round(result.seconds) for result in results])}"
    )


def spread(numbers: Sequence[int]) -> str:
    """Tell how numbers are distributed."""
    ordered = sorted(numbers)
    shares = (0.05, 0.25, 0.5, 0.75, 0.95)
    marks = ", ".join(f"{share:.0%} {ordered[int(share * len(ordered))]}" for share in shares)
    return f"least {ordered[0]}, {marks}, most {ordered[-1]}"


if __name__ == "__main__":
    sys.exit(main())
