"""The ten interleavings found in review do no harm."""

import pytest

from tests.simulation.interleavings import SCENARIOS, play


@pytest.mark.parametrize("name", SCENARIOS)
def test_interleaving(name: str) -> None:
    assert play(name) == ""
