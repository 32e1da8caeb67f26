"""docs/writing-a-backend.md shows the third-party driver as it is."""

import re
import tomllib
from pathlib import Path

from incumbent_backends.conformance import Harness

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/writing-a-backend.md").read_text()
DRIVER = ROOT / "tests/third_party_driver"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_excerpt_is_in_the_driver() -> None:
    source = (DRIVER / "incumbent_jsonfile.py").read_text()
    excerpts = [block for block in blocks("python") if block.startswith(" ")]
    assert len(excerpts) == 5
    for excerpt in excerpts:
        assert excerpt in source


def test_the_entry_point_is_the_drivers() -> None:
    shown, _ = blocks("toml")
    assert shown in (DRIVER / "pyproject.toml").read_text()


def test_the_setting_of_pytest_is_ours() -> None:
    _, shown = blocks("toml")
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())
    settings = tomllib.loads(shown)["tool"]["pytest"]["ini_options"]
    assert settings.items() <= ours["tool"]["pytest"]["ini_options"].items()


def test_every_method_of_the_harness_is_explained() -> None:
    for method in Harness.__abstractmethods__:
        assert f"`{method}(" in PAGE
