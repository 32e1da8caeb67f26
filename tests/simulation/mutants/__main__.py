"""`python -m tests.simulation.mutants`: look for the first seed that catches each bug."""

import argparse
import sys

from tests.simulation.mutants import Mutant
from tests.simulation.mutants.all import MUTANTS
from tests.simulation.scenario import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants")
    parser.add_argument("names", nargs="*", help="these only; part of a name will do")
    parser.add_argument("--seeds", type=int, default=1000, help="how many to try")
    options = parser.parse_args()
    survived = []
    for mutant in MUTANTS:
        if options.names and not any(name in mutant.name for name in options.names):
            continue
        caught = hunt(mutant, options.seeds)
        print(f"{mutant.name!r}: {caught},", flush=True)
        if caught is None:
            survived.append(mutant.name)
    return 1 if survived else 0


def hunt(mutant: Mutant, seeds: int) -> tuple[int, int] | None:
    """Return the first seed that catches the bug, and the law that it broke."""
    with mutant.applied():
        for seed in range(seeds):
            violations = run(seed).verdict.violations
            if violations:
                return seed, violations[0].law
    return None


if __name__ == "__main__":
    sys.exit(main())
