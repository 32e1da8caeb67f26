"""A stand-in for the report: the medians as text."""

from pathlib import Path

from incumbent_compare.results import Run


def write(run: Run, folder: Path) -> list[Path]:
    """Print a line a quantity."""
    for series in run.series:
        print(f"{series.scenario} / {series.store} / {series.title}")
        for each in series.quantities:
            print(f"    {each.name}: p50 {each.p(50):.4g}, p99 {each.p(99):.4g} {each.unit}")
        print(f"    {series.cost}")
    for missing in run.missing:
        print(f"missing: {missing}")
    return []
