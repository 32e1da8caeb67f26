"""`python -m tests.simulation`: run seeds, tell what broke, show one seed's story."""

import argparse
import statistics
import sys
import time

from tests.histories.story import line
from tests.simulation.scenario import Outcome, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=50, help="how many")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first one")
    parser.add_argument("--seed", type=int, help="this one only")
    parser.add_argument("-v", "--verbose", action="store_true", help="print the story")
    parser.add_argument("-k", "--keep-going", action="store_true", help="do not stop at a failure")
    options = parser.parse_args()
    seeds = (
        [options.seed]
        if options.seed is not None
        else range(options.first, options.first + options.seeds)
    )
    began, faults, terms, seconds, failed = time.perf_counter(), [], [], [], []
    for number, seed in enumerate(seeds, 1):
        outcome = run(seed)
        faults.append(len(outcome.faults))
        seconds.append(outcome.seconds)
        terms.append(outcome.verdict.terms)
        if outcome.verdict.violations or options.verbose:
            tell(outcome, story=options.verbose or not options.keep_going)
        if outcome.verdict.violations:
            failed.append(seed)
            if not options.keep_going:
                break
        if number % 50 == 0:
            print(
                f"{number} seeds, {number / (time.perf_counter() - began):.1f} a second", flush=True
            )
    taken = time.perf_counter() - began
    print(
        f"{len(faults)} seeds in {taken:.1f} s ({len(faults) / taken:.1f} a second), "
        f"median {statistics.median(faults):.0f} faults, {statistics.median(terms):.0f} terms, "
        f"{statistics.median(seconds):.0f} virtual seconds; failed: {failed or 'none'}"
    )
    return 1 if failed else 0


def tell(outcome: Outcome, *, story: bool) -> None:
    if story:
        for event in outcome.history.events:
            print(line(event))
    print(f"seed {outcome.seed}:")
    for violation in outcome.verdict.violations:
        print(violation)


if __name__ == "__main__":
    sys.exit(main())
