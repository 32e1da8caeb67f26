"""What most tests of the SQL drivers ask for, and a namespace for all of them."""

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from incumbent_backends.sqlite import Sqlite
from tests.integration.postgres_store import scratch_database, sql
from tests.integration.sqlite_store import build
from tests.servers import Postgres, postgres, shared


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a SQLite store."""
    return tmp_path / "store.db"


@pytest.fixture
async def backend(path: Path) -> AsyncIterator[Sqlite]:
    """SQLite's driver on it; the tests of another store have their own."""
    async with build(path) as opened:
        yield opened


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
