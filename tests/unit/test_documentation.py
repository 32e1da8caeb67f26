"""What the documentation names is there: each test behind a promise, each law, each file."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# From where a page names a file: the checkout; the conformance suite (C); the laws (S).
FOLDERS = (
    ROOT,
    ROOT / "backends/incumbent_backends/conformance",
    ROOT / "tests/histories/laws",
)
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *ROOT.glob("docs/*/*.md")]
    if not path.relative_to(ROOT).parts[0].startswith(".")
)
TEST = re.compile(r"(?P<file>[\w/.-]+\.py)::(?P<name>\w+)")
FILE = re.compile(r"\btests/[\w/*.-]+\.(?:py|md)\b")


def named(pattern: "re.Pattern[str]") -> Iterator["re.Match[str]"]:
    for page in PAGES:
        yield from pattern.finditer(page.read_text())


@cache
def functions(path: Path) -> set[str]:
    """The functions of a file, and those of another one that it gives a name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def is_there(file: str, name: str) -> bool:
    paths = [folder / file for folder in FOLDERS]
    return any(name in functions(path) for path in paths if path.is_file())


def test_every_test_that_is_named_is_there() -> None:
    tests = {(match["file"], match["name"]) for match in named(TEST)}
    assert len(tests) > 100
    assert [f"{file}::{name}" for file, name in sorted(tests) if not is_there(file, name)] == []


def test_every_file_of_tests_that_is_named_is_there() -> None:
    files = {match[0] for match in named(FILE)}
    assert len(files) > 20
    assert [file for file in sorted(files) if not any(ROOT.glob(file))] == []


@pytest.mark.parametrize(
    ("file", "name", "there"),
    [
        ("tests/e2e/test_trust.py", "test_trust_follows_what_the_store_confirmed", True),
        ("tests/e2e/test_trust.py", "test_trust_never_outlives_what_the_store_confirmed", False),
        ("terms.py", "test_only_a_vacancy_is_won", True),
        ("tokens.py", "tokens_increase", True),
        ("no_such_file.py", "tokens_increase", False),
    ],
)
def test_what_is_not_there_is_found_out(file: str, name: str, there: bool) -> None:
    assert is_there(file, name) is there
