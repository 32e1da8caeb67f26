"""Opening a PostgreSQL store for advisory locks: what is accepted, and what is refused."""

import asyncio

import pytest

from incumbent_backends.api import Options, Rejected, Unavailable
from incumbent_backends.conformance import FakeClock
from incumbent_backends.postgres_advisory import PostgresAdvisory
from tests.integration import postgres_store
from tests.integration.advisory_store import build
from tests.integration.postgres_store import refused, sql
from tests.integration.verbs import SECOND, lead, watching
from tests.poolers import pgbouncer
from tests.proxies import proxied
from tests.servers import Postgres

STORE = "postgres"


async def refusal(url: str) -> str:
    return await postgres_store.refusal(build(url, "tests"))


@pytest.mark.parametrize("url", ["postgres+advisory://u:secret@h:port/x", "postgres+a+b://secret"])
def test_a_url_that_cannot_be_read_is_refused_offline(url: str) -> None:
    with pytest.raises(Rejected, match=r"write postgres.*://user:password@host") as caught:
        PostgresAdvisory(url, Options("tests", SECOND, FakeClock()))
    assert "secret" not in str(caught.value)


async def test_the_leaders_are_shown_to_people(server: Postgres, database: str) -> None:
    url = server.url(database=database)
    shown = "SELECT election FROM incumbent_leaders"
    async with build(url, "tests") as backend:
        term = await lead(backend)
        assert sql(url, shown) == [("e",)]
        await lead(backend, "left")
        await backend.release(term)
        assert sql(url, shown) == [("left",)]
    assert sql(url, shown) == []


async def test_a_transaction_pooler_is_refused(server: Postgres) -> None:
    """A real pgbouncer; through it two sessions would both get one lock."""
    with pgbouncer(server) as pooler:
        address = pooler.address
        url = server.url().replace(server.address, address)
        assert "a pooler stands before this PostgreSQL" in await refusal(url)


async def test_a_pooler_that_comes_later_is_refused_too(server: Postgres, database: str) -> None:
    url = server.url(database=database)
    with pgbouncer(server) as pooler:
        address = pooler.address
        async with (
            proxied(server.address) as proxy,
            build(url.replace(server.address, proxy.target), "tests") as backend,
        ):
            proxy.port = int(address.rpartition(":")[2])
            proxy.reset()
            for verb in (lambda: backend.renew([]), lambda: backend.read("e")):
                await refused(verb, Unavailable, "a pooler stands before this PostgreSQL")
            proxy.port = server.port
            proxy.reset()
            await postgres_store.eventually(lambda: backend.renew([]))
            await lead(backend)


async def test_the_session_is_settled(server: Postgres, database: str) -> None:
    """Nothing ends the session sooner than its ttl, and its own silence does after that."""
    sql(server.url(), f"ALTER DATABASE {database} SET synchronous_commit = off")
    sql(server.url(), f"ALTER DATABASE {database} SET idle_session_timeout = '100ms'")
    names = (
        "synchronous_commit", "transaction_isolation", "idle_session_timeout",
        "idle_in_transaction_session_timeout", "tcp_user_timeout", "tcp_keepalives_idle",
        "tcp_keepalives_interval", "tcp_keepalives_count", "statement_timeout", "lock_timeout",
    )  # fmt: skip
    shown = ", ".join(f"current_setting('{name}')" for name in names)
    async with build(server.url(database=database), "tests") as backend:
        cursor = await backend._lane.run(lambda db, _: db.execute(f"SELECT {shown}".encode()))
        assert await cursor.fetchone() == (
            "on", "read committed", "15s", "15s", "15000", "5", "5", "3", "4s", "1s"
        )  # fmt: skip


MECHANISMS = {"'postgres lease rows'", "'postgres advisory locks'"}


async def test_the_other_mechanism_is_refused_and_both_are_named(
    server: Postgres, database: str
) -> None:
    url = server.url(database=database)
    async with build(url, "locks"), postgres_store.build(url, "rows"):
        pass
    for stranger in (postgres_store.build(url, "locks"), build(url, "rows")):
        with pytest.raises(Rejected) as caught:
            await stranger.__aenter__()
        assert all(name in str(caught.value) for name in MECHANISMS)


GRANTS = """
GRANT SELECT, INSERT, UPDATE ON incumbent_namespace TO {0};
GRANT SELECT, INSERT, UPDATE, DELETE ON incumbent_lock_term TO {0};
GRANT SELECT ON incumbent_lock TO {0};
"""


async def test_a_role_with_the_documented_grants_alone(
    server: Postgres, database: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("incumbent_backends.postgres_watch.SWEEP", 0.2)
    owner = server.url(database=database)
    sql(owner, PostgresAdvisory.schema)
    assert "lacks a right" in await refusal(server.url(role, "x", database))
    sql(owner, GRANTS.format(role))
    async with (
        build(server.url(role, "x", database), "tests") as backend,
        build(server.url(role, "x", database), "tests") as other,
        watching(other) as watch,
    ):
        term = await lead(backend)
        await watch.until("e", term.token)
        await backend.renew([])
        await backend.renew([])
        await watch.until("e", None)
        await backend.release(await lead(backend))
        assert (await lead(other)).token > term.token
        await lead(backend, "vacant")
        await backend.renew([])
        async with asyncio.timeout(10):
            while sql(owner, "SELECT 1 FROM incumbent_lock_term WHERE election = 'vacant'"):
                await asyncio.sleep(0.05)
