"""The seed that catches each bug, found by `python -m tests.simulation.mutants --hunt 1000`."""

CAUGHT: dict[str, int] = {}
