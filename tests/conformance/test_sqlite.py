"""The SQLite driver keeps the laws, on real files with clocks of the test's own."""

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Collection
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import settings

from incumbent_backends.api import Backend, Options, Synced, Unavailable
from incumbent_backends.conformance import BackendConformance, BackendMachine, FakeClock, Harness
from incumbent_backends.sqlite import Sqlite

STORE = "sqlite"


class SqliteHarness(Harness):
    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="incumbent-")
        self.file = Path(self._folder.name) / "store.db"
        self._cuts: dict[Backend, Any] = {}

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        self._folder.cleanup()

    def build(self, *, namespace: str, backend_ttl: timedelta) -> Sqlite:
        # A clock that stands still each: for them nobody is ever silent.
        return self._build(Options(namespace, backend_ttl, FakeClock()))

    def _build(self, options: Options) -> Sqlite:
        return Sqlite(f"sqlite:///{self.file}", options)

    async def expire(self, backend: Backend) -> None:
        session, clock = backend.session, FakeClock()
        async with self._build(Options(self.namespace, self.backend_ttl, clock)) as undertaker:
            watch = undertaker.watch()
            while not isinstance(await anext(watch), Synced):
                pass
            await watch.aclose()
            with closing(self.connect()) as db:
                # The clock jumps under the write lock: whoever reads the others' old renewals can
                # no longer end them, and the new ones are read after the jump only.
                db.execute("BEGIN IMMEDIATE")
                db.execute(
                    "UPDATE incumbent_session SET renewals = renewals + 1 WHERE id != ?", (session,)
                )
                clock.advance(timedelta(days=1).total_seconds())
                db.execute("COMMIT")
            async with asyncio.timeout(10):
                while session in await self.living_sessions():
                    await asyncio.sleep(0.002)

    async def cut(self, backend: Backend) -> None:
        assert isinstance(backend, Sqlite)
        # Every job on either thread of the driver passes here first.
        unreachable = Unavailable("cut off")
        self._cuts[backend] = patch.object(backend._file, "verify", side_effect=unreachable)
        self._cuts[backend].start()

    async def heal(self, backend: Backend) -> None:
        if backend in self._cuts:
            self._cuts.pop(backend).stop()

    async def delete(self, election: str) -> None:
        self.run("DELETE FROM incumbent_term WHERE election = ?", election)

    async def end_session(self, session: str) -> None:
        self.run("DELETE FROM incumbent_session WHERE id = ?", session)

    async def living_sessions(self) -> Collection[str]:
        return [str(row[0]) for row in self.run("SELECT id FROM incumbent_session WHERE 1 = ?", 1)]

    async def tamper_marker(self) -> str:
        self.run("UPDATE incumbent_namespace SET mechanism = ?", "abacus")
        return "abacus"

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.file, isolation_level=None, timeout=10)

    def run(self, statement: str, value: object) -> list[tuple[object, ...]]:
        """Say something to the file by hand, in all namespaces: tests use one at a time here."""
        with closing(self.connect()) as db:
            return db.execute(statement, (value,)).fetchall()


class TestSqlite(BackendConformance):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        async with SqliteHarness() as harness:
            yield harness


class SqliteMachine(BackendMachine):
    def build_harness(self) -> Harness:
        return SqliteHarness()


TestSqliteMachine = SqliteMachine.TestCase
TestSqliteMachine.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
