"""The lease rows of PostgreSQL keep the laws, on real servers with clocks of the test's own."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator
from datetime import timedelta

import psycopg
import pytest
from hypothesis import settings

from incumbent_backends.api import Backend, Options, Synced
from incumbent_backends.conformance import BackendConformance, BackendMachine, FakeClock, Harness
from incumbent_backends.postgres_hints import channel
from incumbent_backends.postgres_lease import PostgresLease
from tests.conformance.postgres_harness import ServerHarness
from tests.poolers import Pgbouncer, pgbouncer
from tests.servers import Postgres, postgres, shared


class PostgresHarness(ServerHarness):
    """Sessions are rows, and end when nobody renews them."""

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        self.run("DELETE FROM incumbent_term WHERE namespace LIKE %s || '%%'", self.namespace)
        self.run("DELETE FROM incumbent_session WHERE namespace LIKE %s || '%%'", self.namespace)

    def build(self, *, namespace: str, backend_ttl: timedelta) -> PostgresLease:
        # A clock that stands still each: for them nobody is ever silent.
        return self._build(Options(namespace, backend_ttl, FakeClock()), self.next)

    def _build(self, options: Options, address: str) -> PostgresLease:
        return PostgresLease(self.server.url().replace(self.server.address, address), options)

    async def expire(self, backend: Backend) -> None:
        session, clock = backend.session, FakeClock()
        options = Options(self.namespace, self.backend_ttl, clock)
        async with self._build(options, self.target) as undertaker:
            watch = undertaker.watch()
            while not isinstance(await anext(watch), Synced):  # it has seen everybody
                pass
            await watch.aclose()
            with psycopg.connect(self.server.url()) as db:
                # The clock jumps while the others' rows are locked: whoever reads their old
                # renewals cannot end them, and the new ones are read after the jump only.
                db.execute(
                    "UPDATE incumbent_session SET renewals = renewals + 1"
                    " WHERE namespace = %s AND id != %s",
                    (self.namespace, session),
                )
                clock.advance(timedelta(days=1).total_seconds())
            self.run("SELECT pg_notify(%s, '')", channel(self.namespace))
            async with asyncio.timeout(10):
                while session in await self.living_sessions():
                    await asyncio.sleep(0.002)

    async def delete(self, election: str) -> None:
        statement = "DELETE FROM incumbent_term WHERE election = %s AND namespace = %s"
        self.run(statement, election, self.namespace)

    async def end_session(self, session: str) -> None:
        self.run("DELETE FROM incumbent_session WHERE id = %s", session)

    async def living_sessions(self) -> Collection[str]:
        statement = "SELECT id FROM incumbent_session WHERE namespace = %s"
        return [str(row[0]) for row in self.run(statement, self.namespace)]


class TestPostgresLease(BackendConformance):
    STORE = "postgres"

    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        async with PostgresHarness(shared(self.STORE)) as harness:
            yield harness


class TestPostgresLease15(TestPostgresLease):
    STORE = "postgres15"


@pytest.fixture(scope="module")
def pooled() -> Iterator[tuple[Postgres, Pgbouncer]]:
    with postgres() as server, pgbouncer(server, size=6) as pooler:
        yield server, pooler


class TestPostgresLeaseThroughPgbouncer(BackendConformance):
    """Fewer server connections than the backends make, so that transactions do change places."""

    STORE = "pgbouncer"

    @pytest.fixture
    async def harness(self, pooled: tuple[Postgres, Pgbouncer]) -> AsyncIterator[Harness]:
        server, pooler = pooled
        async with PostgresHarness(server, pooler.address) as harness:
            yield harness


class PostgresMachine(BackendMachine):
    def build_harness(self) -> Harness:
        return PostgresHarness(shared("postgres"))


class PostgresMachine15(BackendMachine):
    def build_harness(self) -> Harness:
        return PostgresHarness(shared("postgres15"))


MACHINE = settings(max_examples=8, stateful_step_count=25, deadline=None)


class TestPostgresMachine(PostgresMachine.TestCase):  # type: ignore[valid-type,misc]
    STORE = "postgres"
    settings = MACHINE


class TestPostgresMachine15(PostgresMachine15.TestCase):  # type: ignore[valid-type,misc]
    STORE = "postgres15"
    settings = MACHINE
