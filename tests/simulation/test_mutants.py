"""Each seeded bug is caught by its known seed; without the bug that seed breaks nothing."""

import pytest

from tests.simulation.mutants.all import MUTANTS
from tests.simulation.mutants.caught import CAUGHT
from tests.simulation.mutants.edit import Edit, Mutant
from tests.simulation.scenario import run


def test_there_are_enough_and_each_has_its_seed() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names)) >= 20
    assert set(CAUGHT) == set(names)
    assert max(CAUGHT.values()) < 1000


@pytest.mark.parametrize(
    "mutant", MUTANTS, ids=lambda each: f"{each.name}, seed {CAUGHT.get(each.name)}"
)
def test_the_bug_is_caught(mutant: Mutant) -> None:
    with mutant.applied():
        assert run(CAUGHT[mutant.name]).verdict.violations


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
