"""The report of a run: one self-contained HTML page, and the same in Markdown.

    write(run, folder)   of a run that has just ended
    again(file)          of the raw JSON of an earlier one, beside that file unless told otherwise

Nothing here measures or judges by itself: every figure is made of the samples that the file holds.
It knows what some stores promise and some scenarios do; others are shown all the same.
"""

from pathlib import Path

from incumbent_compare.results import Run

__all__ = ["again", "write"]


def write(run: Run, folder: Path) -> list[Path]:
    """Write both into the folder, named by when the run began; return their paths."""
    # The library for plots takes a second to load, which who only asks for help need not wait for.
    from incumbent_compare.report.figures import clean
    from incumbent_compare.report.page import write_both

    return write_both(clean(run), folder)


def again(file: Path, folder: Path | None = None) -> list[Path]:
    """Write the report of a run's raw JSON; pydantic's ValidationError where it is none."""
    run = Run.model_validate_json(file.read_bytes())
    return write(run, file.parent if folder is None else folder)
