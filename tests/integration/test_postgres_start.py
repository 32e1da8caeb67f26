"""Opening a PostgreSQL store: what is accepted, and one sentence for each thing that is not."""

import asyncio
import gc

import pytest

from incumbent_backends.api import Options, Rejected, Unavailable
from incumbent_backends.conformance import FakeClock
from incumbent_backends.postgres_lease import PostgresLease
from tests.integration import postgres_store
from tests.integration.postgres_store import build, sql
from tests.integration.verbs import SECOND, lead, watching
from tests.mechanisms import ROWS, Mechanism, both
from tests.servers import Postgres, postgres

STORE = "postgres"


async def refusal(url: str, mechanism: Mechanism = ROWS) -> str:
    return await postgres_store.refusal(mechanism.build(url, "tests"))


@pytest.mark.parametrize(
    "url",
    [
        "postgres://user:secret@host:port/x",
        "postgres://user:sec%ret@host/x",
        "postgres://user:secret@host:99999/x",
        "postgres://host/x\n",
        "postgres://host/x?application_name=%ff",
        "sqlite:///secret",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_offline(url: str) -> None:
    with pytest.raises(Rejected, match="postgres://user:password@host:5432/database") as caught:
        PostgresLease(url, Options("tests", SECOND, FakeClock()))
    assert "secret" not in str(caught.value)


def test_a_parameter_that_nobody_knows_is_refused_offline() -> None:
    with pytest.raises(Rejected, match="a parameter that libpq does not know") as caught:
        PostgresLease("postgres://h/x?secret=secret", Options("tests", SECOND, FakeClock()))
    assert "secret" not in str(caught.value)


@both
@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "Postgres"])
async def test_either_scheme_will_do(
    server: Postgres, database: str, scheme: str, mechanism: Mechanism
) -> None:
    url = server.url(database=database).replace("postgres", scheme, 1)
    async with mechanism.build(url, "tests") as backend:
        await lead(backend)
        leaders = sql(server.url(database=database), "SELECT election FROM incumbent_leaders")
        assert leaders == [("e",)]


@both
async def test_wrong_password(server: Postgres, mechanism: Mechanism) -> None:
    assert "password" in await refusal(server.url(password="wrong"), mechanism)


@both
async def test_missing_database(server: Postgres, mechanism: Mechanism) -> None:
    assert "no such database" in await refusal(server.url(database="missing"), mechanism)


@both
async def test_a_user_who_may_not_log_in(server: Postgres, role: str, mechanism: Mechanism) -> None:
    sql(server.url(), f"ALTER ROLE {role} NOLOGIN")
    assert "let this user in" in await refusal(server.url(role, "x"), mechanism)


@pytest.mark.parametrize("mode", ["prefer", "disable"])
async def test_what_is_not_a_postgresql(mode: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read(1)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as web:
        port = web.sockets[0].getsockname()[1]
        text = await refusal(f"postgres://user:secret@127.0.0.1:{port}/x?sslmode={mode}")
    assert text == "what answers there is not a PostgreSQL"


async def test_nobody_who_answers_may_still_come() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        await build("postgres://user:secret@127.0.0.1:1/x", "tests").__aenter__()


async def test_a_database_in_another_encoding(server: Postgres) -> None:
    sql(server.url(), "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    assert "LATIN1" in await refusal(server.url(database="latin"))


@both
async def test_a_server_that_does_not_sync(mechanism: Mechanism) -> None:
    with postgres(fsync="off") as careless:
        assert "fsync = off" in await refusal(careless.url(), mechanism)


async def test_grants_are_on_disk_whatever_the_default(server: Postgres, database: str) -> None:
    sql(server.url(), f"ALTER DATABASE {database} SET synchronous_commit = off")
    async with build(server.url(database=database), "tests") as backend:
        for run in (backend._renewals.run, backend._lanes.run):
            cursor = await run(lambda db: db.execute(b"SHOW synchronous_commit"))
            assert await cursor.fetchall() == [("on",)]


@both
async def test_another_mechanism_or_layout_names_both(
    server: Postgres, database: str, mechanism: Mechanism
) -> None:
    url = server.url(database=database)
    async with mechanism.build(url, "tests"):
        pass
    sql(url, "UPDATE incumbent_namespace SET mechanism = 'abacus', layout = 7")
    text = await refusal(url, mechanism)
    for word in ("'abacus'", "layout 7", f"'postgres {mechanism.name}'", "layout 1"):
        assert word in text
    async with mechanism.build(url, "another"):
        pass


@both
async def test_a_counter_lowered_by_hand_is_raised_at_the_next_start(
    server: Postgres, database: str, mechanism: Mechanism
) -> None:
    url = server.url(database=database)
    async with mechanism.build(url, "tests") as backend:
        tokens = [(await lead(backend, name)).token for name in "abc"]
    sql(url, "UPDATE incumbent_namespace SET last_token = 0")
    async with mechanism.build(url, "tests") as backend:
        assert (await lead(backend, "d")).token > max(tokens)


@both
async def test_twelve_gateways_make_the_tables_at_once(
    server: Postgres, database: str, mechanism: Mechanism
) -> None:
    url = server.url(database=database)
    backends = [mechanism.build(url, "tests") for _ in range(12)]
    await asyncio.gather(*(backend.__aenter__() for backend in backends))
    assert len({backend.session for backend in backends}) == 12
    await asyncio.gather(*(backend.__aexit__(None, None, None) for backend in backends))


@both
async def test_who_leaves_at_once_leaves_no_connection_half_made(
    server: Postgres, database: str, mechanism: Mechanism
) -> None:
    """The watch was still connecting. The server would wait for the rest of it for a minute."""
    url = server.url(database=database)
    gc.disable()  # which might close it, sooner or later
    try:
        for _ in range(3):
            backends = [mechanism.build(url, "tests") for _ in range(12)]
            await asyncio.gather(*(backend.__aenter__() for backend in backends))
            await asyncio.gather(*(backend.__aexit__(None, None, None) for backend in backends))
        await nobody_left(url)
    finally:
        gc.enable()


async def nobody_left(url: str) -> None:
    left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'incumbent-server'"
    starting = "SELECT count(*) FROM pg_stat_activity WHERE state = 'starting'"  # from 18 on
    async with asyncio.timeout(2):
        while (sql(url, left), sql(url, starting)) != ([(0,)], [(0,)]):
            await asyncio.sleep(0.02)


@both
async def test_a_role_that_may_make_no_tables_is_told_what_to_run(
    server: Postgres, database: str, role: str, mechanism: Mechanism
) -> None:
    text = await refusal(server.url(role, "x", database), mechanism)
    assert "incumbent-server schema postgres" in text


GRANTS = """
GRANT SELECT, INSERT, UPDATE ON incumbent_namespace TO {0};
GRANT SELECT, INSERT, UPDATE, DELETE ON incumbent_session, incumbent_term TO {0};
"""


async def test_a_role_with_the_documented_grants_alone(
    server: Postgres, database: str, role: str
) -> None:
    owner = server.url(database=database)
    sql(owner, PostgresLease.schema)
    assert "lacks a right" in await refusal(server.url(role, "x", database))
    sql(owner, GRANTS.format(role))
    async with (
        build(server.url(role, "x", database), "tests", backend_ttl=SECOND) as backend,
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


async def test_the_schema_may_be_run_twice(server: Postgres, database: str) -> None:
    for _ in range(2):
        sql(server.url(database=database), PostgresLease.schema)


@both
async def test_a_schema_of_its_own_by_the_search_path(
    server: Postgres, database: str, mechanism: Mechanism
) -> None:
    url = server.url(database=database)
    sql(url, "CREATE SCHEMA elections")
    async with mechanism.build(f"{url}?options=-csearch_path%3Delections", "tests") as backend:
        await lead(backend)
        assert sql(url, "SELECT election FROM elections.incumbent_leaders") == [("e",)]
