"""`python -m tests.simulation.mutants`: replay what catches each bug, a seed or a scenario.

--hunt 1000    look for such a seed instead, among so many
NAME …         of these bugs only; a part of the name will do
"""

import argparse
import sys
from collections.abc import Iterable

from tests.simulation.interleavings import play
from tests.simulation.mutants.all import MUTANTS
from tests.simulation.mutants.caught import CAUGHT, DIRECTED
from tests.simulation.mutants.edit import Mutant
from tests.simulation.scenario import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants")
    parser.add_argument("names", nargs="*", help="these only; part of a name will do")
    parser.add_argument("--hunt", type=int, default=0, help="among how many seeds to look")
    options = parser.parse_args()
    survived = 0
    for mutant in MUTANTS:
        if options.names and not any(name in mutant.name for name in options.names):
            continue
        caught = hunt(mutant, range(options.hunt)) if options.hunt else replay(mutant)
        survived += not caught
        print(f"{mutant.name}: {caught or 'NOT CAUGHT'}", flush=True)
    return 1 if survived else 0


def replay(mutant: Mutant) -> str:
    """Tell what the known seed or scenario finds broken, "" if nothing."""
    if mutant.name in CAUGHT:
        return hunt(mutant, [CAUGHT[mutant.name]])
    with mutant.applied():
        return play(DIRECTED[mutant.name])


def hunt(mutant: Mutant, seeds: Iterable[int]) -> str:
    """Tell the first seed that catches the bug, and what it broke; "" if none does."""
    with mutant.applied():
        for seed in seeds:
            violations = run(seed).verdict.violations
            if violations:
                return f"seed {seed}, law {violations[0].law}: {violations[0].says}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
