"""What the scripts behind `make` say when they are called wrongly."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_check_that_there_is_not_is_one_sentence_and_nothing_runs() -> None:
    command = [str(ROOT / "scripts/check"), "format", "bogus"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    known = "format ruff mypy pyright imports proto lock go"
    assert ran.stderr == f"check: no check bogus; there are {known}\n"
