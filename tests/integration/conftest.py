"""What most tests of PostgreSQL's drivers ask for."""

import secrets
from collections.abc import Iterator

import pytest

from tests.integration.postgres_store import scratch_database, sql
from tests.servers import Postgres, postgres, shared


@pytest.fixture(scope="session")
def url() -> str:
    """The database that all share; each test has a namespace of its own."""
    return shared("postgres").url()


@pytest.fixture
def namespace() -> str:
    return f"tests-{secrets.token_hex(6)}"


@pytest.fixture
def own() -> Iterator[Postgres]:
    """A server of the test's own, to be broken."""
    with postgres() as server:
        yield server


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server of the module's own, for databases and roles."""
    with postgres() as server:
        yield server


@pytest.fixture
def database(server: Postgres) -> Iterator[str]:
    with scratch_database(server.url()) as name:
        yield name


@pytest.fixture
def role(server: Postgres) -> str:
    name = f"role_{secrets.token_hex(4)}"
    sql(server.url(), f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    return name
