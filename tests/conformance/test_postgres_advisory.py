"""The advisory locks of PostgreSQL keep the laws, on real servers."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import settings

from incumbent_backends.api import Backend, Options
from incumbent_backends.conformance import BackendConformance, BackendMachine, FakeClock, Harness
from incumbent_backends.postgres_advisory import PostgresAdvisory
from tests.proxies import Proxy, proxied
from tests.servers import shared


class AdvisoryHarness(Harness):
    """A namespace of its own in a shared server, and a proxy of its own before each backend."""

    def __init__(self, store: str) -> None:
        super().__init__()
        self._server = shared(store)
        self._ends = AsyncExitStack()
        self._proxies: dict[Backend, Proxy] = {}
        self._next = self._server.address

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        await self._ends.aclose()
        self.run("DELETE FROM incumbent_lock_term WHERE namespace LIKE %s || '%%'", self.namespace)

    async def open(
        self, *, backend_ttl: timedelta | None = None, namespace: str | None = None
    ) -> Backend:
        proxy = await self._ends.enter_async_context(proxied(self._server.address))
        self._next = proxy.target
        backend = await super().open(backend_ttl=backend_ttl, namespace=namespace)
        self._proxies[backend] = proxy
        return backend

    def build(self, *, namespace: str, backend_ttl: timedelta) -> PostgresAdvisory:
        url = self._server.url().replace(self._server.address, self._next)
        url = url.replace("://", "+advisory://", 1)
        return PostgresAdvisory(url, Options(namespace, backend_ttl, FakeClock()))

    async def expire(self, backend: Backend) -> None:
        """End it as `idle_session_timeout` does, which an integration test lets fire."""
        await self.end_session(backend.session)

    async def end_session(self, session: str) -> None:
        self.run(
            "SELECT pg_terminate_backend(pid, 5000) FROM incumbent_lock WHERE session = %s", session
        )

    async def cut(self, backend: Backend) -> None:
        self._proxies[backend].refuses = True
        self._proxies[backend].reset()

    async def heal(self, backend: Backend) -> None:
        self._proxies[backend].refuses = False

    async def delete(self, election: str) -> None:
        """Return when the lock under which nobody leads any more has been given back."""
        statement = (
            "DELETE FROM incumbent_lock_term WHERE election = %s AND namespace = %s"
            " RETURNING lock_key"
        )
        for (key,) in self.run(statement, election, self.namespace):
            async with asyncio.timeout(10):
                while self.run("SELECT 1 FROM incumbent_lock WHERE lock_key = %s", key):
                    await asyncio.sleep(0.01)

    async def living_sessions(self) -> Collection[str]:
        held = {str(session) for (session,) in self.run("SELECT session FROM incumbent_lock")}
        return held & {backend.session for backend in self._proxies}

    async def tamper_marker(self) -> str:
        statement = "UPDATE incumbent_namespace SET mechanism = 'abacus' WHERE name = %s"
        self.run(statement, self.namespace)
        return "abacus"

    def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Say something to the database by hand."""
        with psycopg.connect(self._server.url(), autocommit=True) as db:
            cursor = db.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []


class TestPostgresAdvisory(BackendConformance):
    STORE = "postgres"

    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        async with AdvisoryHarness(self.STORE) as harness:
            yield harness


class TestPostgresAdvisory15(TestPostgresAdvisory):
    STORE = "postgres15"


class AdvisoryMachine(BackendMachine):
    def build_harness(self) -> Harness:
        return AdvisoryHarness("postgres")


class AdvisoryMachine15(BackendMachine):
    def build_harness(self) -> Harness:
        return AdvisoryHarness("postgres15")


MACHINE = settings(max_examples=8, stateful_step_count=25, deadline=None)


class TestAdvisoryMachine(AdvisoryMachine.TestCase):  # type: ignore[valid-type,misc]
    STORE = "postgres"
    settings = MACHINE


class TestAdvisoryMachine15(AdvisoryMachine15.TestCase):  # type: ignore[valid-type,misc]
    STORE = "postgres15"
    settings = MACHINE
