"""The advisory locks of PostgreSQL keep the laws, on real servers."""

import asyncio
from collections.abc import AsyncIterator, Collection
from datetime import timedelta

import pytest
from hypothesis import settings

from incumbent_backends.api import Backend
from incumbent_backends.conformance import BackendConformance, BackendMachine, Harness
from incumbent_backends.postgres_advisory import PostgresAdvisory
from tests.conformance.postgres_harness import ServerHarness
from tests.integration.advisory_store import build
from tests.servers import shared


class AdvisoryHarness(ServerHarness):
    """Sessions are connections, and end as these do."""

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        self.run("DELETE FROM incumbent_lock_term WHERE namespace LIKE %s || '%%'", self.namespace)

    def build(self, *, namespace: str, backend_ttl: timedelta) -> PostgresAdvisory:
        url = self.server.url().replace(self.server.address, self.next)
        return build(url, namespace, backend_ttl=backend_ttl)

    async def expire(self, backend: Backend) -> None:
        """End it as `idle_session_timeout` does, which an integration test lets fire."""
        await self.end_session(backend.session)

    async def end_session(self, session: str) -> None:
        self.run(
            "SELECT pg_terminate_backend(pid, 5000) FROM incumbent_lock WHERE session = %s", session
        )

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
        return held & {backend.session for backend in self.proxies}


class TestPostgresAdvisory(BackendConformance):
    STORE = "postgres"

    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        async with AdvisoryHarness(shared(self.STORE)) as harness:
            yield harness


class TestPostgresAdvisory15(TestPostgresAdvisory):
    STORE = "postgres15"


class AdvisoryMachine(BackendMachine):
    def build_harness(self) -> Harness:
        return AdvisoryHarness(shared("postgres"))


class AdvisoryMachine15(BackendMachine):
    def build_harness(self) -> Harness:
        return AdvisoryHarness(shared("postgres15"))


MACHINE = settings(max_examples=8, stateful_step_count=25, deadline=None)


class TestAdvisoryMachine(AdvisoryMachine.TestCase):  # type: ignore[valid-type,misc]
    STORE = "postgres"
    settings = MACHINE


class TestAdvisoryMachine15(AdvisoryMachine15.TestCase):  # type: ignore[valid-type,misc]
    STORE = "postgres15"
    settings = MACHINE
