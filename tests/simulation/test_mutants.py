"""Each seeded bug is caught by its known seed; without the bug that seed breaks nothing."""

import pytest

from tests.simulation.mutants.__main__ import replay
from tests.simulation.mutants.all import MUTANTS
from tests.simulation.mutants.caught import CAUGHT, DIRECTED
from tests.simulation.mutants.edit import Edit, Mutant
from tests.simulation.scenario import run


def known(mutant: Mutant) -> str:
    by = CAUGHT.get(mutant.name, DIRECTED.get(mutant.name))
    return f"{mutant.name}, {by}"


def test_there_are_enough_and_each_is_accounted_for() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert sorted(names) == sorted([*CAUGHT, *DIRECTED])
    assert len(CAUGHT) >= 20
    assert max(CAUGHT.values()) < 1000


@pytest.mark.filterwarnings("ignore")  # a gateway with a bug may leave anything behind
@pytest.mark.parametrize("mutant", MUTANTS, ids=known)
def test_the_bug_is_caught(mutant: Mutant) -> None:
    assert replay(mutant)


@pytest.mark.parametrize("seed", sorted(set(CAUGHT.values())))
def test_without_the_bug_all_is_well(seed: int) -> None:
    assert run(seed).verdict.violations == ()


def test_a_bug_that_no_longer_fits_the_code_is_told() -> None:
    with pytest.raises(LookupError, match="has not once"):
        _ = Edit(Mutant, "applied", "no such text", "").function


def test_a_bug_is_gone_after_its_block() -> None:
    mutant = MUTANTS[0]
    edit = mutant.edits[0]
    before = vars(edit.owner)[edit.name]
    with mutant.applied():
        assert vars(edit.owner)[edit.name] is not before
    assert vars(edit.owner)[edit.name] is before
