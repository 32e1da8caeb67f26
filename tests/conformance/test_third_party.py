"""A driver of another distribution plugs in by its entry point and passes the same suite."""

import asyncio
import fcntl
import json
import sys
import tempfile
import tomllib
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import settings

from incumbent_backends.api import Backend, Options, Synced, Unavailable
from incumbent_backends.conformance import BackendConformance, BackendMachine, FakeClock, Harness
from incumbent_backends.registry import known_schemes, open_backend

STORE = "jsonfile"
DRIVER = Path(__file__).resolve().parents[1] / "third_party_driver"


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What an editable install does, without an index: the folder and its metadata on the path."""
    project = tomllib.loads((DRIVER / "pyproject.toml").read_text())["project"]
    site = tmp_path_factory.mktemp("site-packages")
    info = site / f"incumbent_jsonfile-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    ((group, points),) = project["entry-points"].items()
    lines = [f"[{group}]", *(f"{key} = {value}" for key, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(site)
        patched.syspath_prepend(DRIVER)
        yield
    sys.modules.pop("incumbent_jsonfile", None)


class PollingClock(FakeClock):
    """Its instants move when told to; its sleeps are real, because the driver polls."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class JsonFileHarness(Harness):
    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="incumbent-")
        self._cuts: dict[Backend, Any] = {}

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        self._folder.cleanup()

    def build(self, *, namespace: str, backend_ttl: timedelta) -> Backend:
        return self._build(Options(namespace, backend_ttl, PollingClock()))

    def _build(self, options: Options) -> Backend:
        return open_backend(f"jsonfile:///{self._folder.name}", options)

    async def expire(self, backend: Backend) -> None:
        session, clock = backend.session, PollingClock()
        async with self._build(Options(self.namespace, self.backend_ttl, clock)) as undertaker:
            watch = undertaker.watch()
            while not isinstance(await anext(watch), Synced):  # it has seen everybody
                pass

            def silence(state: dict[str, Any]) -> None:
                for name, row in state["sessions"].items():
                    row[0] += name != session
                clock.advance(timedelta(days=1).total_seconds())  # under the lock, or it races

            self.change(silence)
            looking = asyncio.ensure_future(anext(watch))
            async with asyncio.timeout(10):
                while session in await self.living_sessions():
                    await asyncio.sleep(0.002)
            looking.cancel()
            await asyncio.wait([looking])
            await watch.aclose()

    async def cut(self, backend: Backend) -> None:
        self._cuts[backend] = patch.object(backend, "_transaction", side_effect=Unavailable("cut"))
        self._cuts[backend].start()

    async def heal(self, backend: Backend) -> None:
        if backend in self._cuts:
            self._cuts.pop(backend).stop()

    async def delete(self, election: str) -> None:
        self.change(lambda state: state["terms"].pop(election, None))

    async def end_session(self, session: str) -> None:
        self.change(lambda state: state["sessions"].pop(session, None))

    async def living_sessions(self) -> Collection[str]:
        names: list[str] = []
        self.change(lambda state: names.extend(state["sessions"]))
        return names

    async def tamper_marker(self) -> str:
        self.change(lambda state: state.update(marker="abacus"))
        return "abacus"

    def change(self, edit: Callable[[dict[str, Any]], object]) -> None:
        """Edit the file by hand, under the lock that the driver takes."""
        file = Path(self._folder.name) / f"{self.namespace}.json"
        with file.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = json.loads(file.read_text())
            edit(state)
            fresh = file.with_suffix(".edited")
            fresh.write_text(json.dumps(state))
            fresh.replace(file)


def test_the_entry_point_makes_the_scheme_known() -> None:
    assert "jsonfile" in known_schemes()


class TestJsonFile(BackendConformance):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        async with JsonFileHarness() as harness:
            yield harness


class JsonFileMachine(BackendMachine):
    def build_harness(self) -> Harness:
        return JsonFileHarness()


TestJsonFileMachine = JsonFileMachine.TestCase
TestJsonFileMachine.settings = settings(max_examples=8, stateful_step_count=25, deadline=None)
