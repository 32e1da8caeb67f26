"""The times that tests measure: noted with the test, shown once at the end of the whole run.

They travel with the tests' reports, so it makes no difference which process ran which test.
"""

from typing import Protocol

import pytest
from _pytest.terminal import TerminalReporter

_PROPERTY = "figure"
_figures: dict[str, tuple[list[float], float | None]] = {}


class Figures(Protocol):
    """Notes a measured time in seconds under a name, with its bound."""

    def __call__(self, name: str, seconds: float, bound: float | None = None) -> None: ...


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    def note(name: str, seconds: float, bound: float | None = None) -> None:
        request.node.user_properties.append((_PROPERTY, [name, seconds, bound]))

    return note


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when != "teardown":  # the last one of a test has all that it noted
        return
    for key, noted in report.user_properties:
        if key == _PROPERTY and isinstance(noted, list):
            name, seconds, bound = noted
            _figures.setdefault(name, ([], bound))[0].append(seconds)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    if not _figures:
        return
    terminalreporter.section("measured, in seconds")
    for name, (measured, bound) in sorted(_figures.items()):
        highest, limit = max(measured), "" if bound is None else f"  bound {bound:.2f}"
        count = f"  (highest of {len(measured)})" if len(measured) > 1 else ""
        terminalreporter.write_line(f"{highest:8.3f}{limit}  {name}{count}")
