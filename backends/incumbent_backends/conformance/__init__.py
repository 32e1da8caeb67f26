"""The suite that every driver passes: one test a law, and a state machine over all of them.

    class TestMyStore(BackendConformance):
        @pytest_asyncio.fixture
        async def harness(self) -> AsyncIterator[Harness]:
            async with MyHarness() as harness:
                yield harness

    class MyMachine(BackendMachine):
        def build_harness(self) -> Harness:
            return MyHarness()

    TestMyMachine = MyMachine.TestCase

It needs `pip install 'incumbent-backends[conformance]'` (pytest, pytest-asyncio, hypothesis) and is
imported by nothing else of this distribution. See docs/writing-a-backend.md.
"""

import pytest

_THEMES = ("terms", "sessions", "moves", "watches", "faults")
# Before they are imported: a law that fails should show what it compared.
pytest.register_assert_rewrite(*(f"{__name__}.{theme}" for theme in _THEMES))

from incumbent_backends.conformance.faults import FaultLaws  # noqa: E402
from incumbent_backends.conformance.harness import FakeClock, Harness  # noqa: E402
from incumbent_backends.conformance.machine import BackendMachine  # noqa: E402
from incumbent_backends.conformance.moves import MoveLaws  # noqa: E402
from incumbent_backends.conformance.sessions import SessionLaws  # noqa: E402
from incumbent_backends.conformance.terms import TermLaws  # noqa: E402
from incumbent_backends.conformance.watches import WatchLaws  # noqa: E402

__all__ = ["BackendConformance", "BackendMachine", "FakeClock", "Harness"]


@pytest.mark.asyncio
class BackendConformance(TermLaws, SessionLaws, MoveLaws, WatchLaws, FaultLaws):
    """Every law of `incumbent_backends.api`. A subclass gives the fixture `harness`."""
