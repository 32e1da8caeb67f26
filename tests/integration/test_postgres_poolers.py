"""Lease rows through a real pgbouncer: what holds in transaction mode, what is refused, and why.

The laws hold there too: TestPostgresLeaseThroughPgbouncer of the conformance suite.
"""

import asyncio
from collections.abc import Iterator

import pytest

from incumbent_backends.api import Claim, Rejected, Unavailable
from incumbent_backends.postgres_server import Server
from tests.integration.postgres_store import build, eventually, refused, sql, transaction
from tests.integration.verbs import SECOND, lead, move, watching
from tests.poolers import Pgbouncer, pgbouncer
from tests.servers import Postgres, postgres

STORE = "postgres"


@pytest.fixture(scope="module", params=["postgres", "postgres15"])
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with postgres(request.param) as server:
        yield server


@pytest.fixture(scope="module")
def pooler(server: Postgres) -> Iterator[Pgbouncer]:
    with pgbouncer(server, size=3) as pooler:
        yield pooler


async def test_terms_are_won_renewed_watched_moved_and_ended(
    server: Postgres, pooler: Pgbouncer, namespace: str
) -> None:
    """One gateway through the pooler, one directly: each sees what the other does."""
    async with (
        build(pooler.url(), namespace, backend_ttl=SECOND) as pooled,
        build(server.url(), namespace) as direct,
        watching(pooled) as slow,
        watching(direct) as quick,
    ):
        term = await lead(pooled, value=b"\x00\xff\\'")
        assert (await pooled.renew([Claim("e", term.token)])).survivors == {Claim("e", term.token)}
        await quick.until("e", term.token)
        moved = (await move(direct, term)).term
        assert moved is not None
        assert (moved.token, moved.value, moved.session) == (term.token, term.value, direct.session)
        await direct.release(moved)
        await slow.until("e", None, seconds=2)
        again = await lead(direct)
        assert again.token > term.token
        await slow.until("e", again.token, seconds=2)  # no NOTIFY comes through
        await pooled.release(again)  # not its own session's, and yet the same term
        await quick.until("e", None)


async def test_nothing_of_ours_stays_on_the_poolers_connections(
    server: Postgres, pooler: Pgbouncer, namespace: str
) -> None:
    """Others use them as well: their statements must not end after our 4 s, nor wait for 1 s."""
    async with build(pooler.url(), namespace) as backend, watching(backend):
        await asyncio.gather(*(lead(backend, f"e/{n}") for n in range(50)))
        changed = (
            "SELECT array_agg(name) FROM pg_settings WHERE name IN ('statement_timeout',"
            " 'lock_timeout', 'idle_in_transaction_session_timeout', 'bytea_output', 'DateStyle')"
            " AND setting IS DISTINCT FROM reset_val"
        )
        for _ in range(10):
            assert sql(pooler.url(), changed) == [(None,)]
            assert sql(pooler.url(), "SELECT count(*) FROM pg_prepared_statements") == [(0,)]


async def test_each_statement_brings_its_settings(
    server: Postgres, pooler: Pgbouncer, namespace: str
) -> None:
    """Whatever the database's defaults are: grants are on disk, and a lock is awaited for 1 s."""
    sql(server.url(), "ALTER DATABASE postgres SET synchronous_commit = off")
    sql(server.url(), "ALTER DATABASE postgres SET default_transaction_isolation = serializable")
    try:
        async with build(server.url(), namespace), build(pooler.url(), namespace) as backend:
            for setting, value in SETTINGS.items():
                show = f"SELECT current_setting('{setting}')".encode()
                cursor = await backend._lanes.run(lambda db, show=show: db.execute(show))  # type: ignore[misc]
                assert await cursor.fetchall() == [(value,)], setting
            await lead(backend)
            row = f"SELECT 1 FROM incumbent_term WHERE namespace = '{namespace}' FOR UPDATE"
            with (
                transaction(server.url(), row),
                pytest.raises(Unavailable, match="kept a row locked"),
            ):
                await backend.release((await backend.read("e")).term)  # type: ignore[arg-type]
    finally:
        sql(server.url(), "ALTER DATABASE postgres RESET ALL")


SETTINGS = {
    "synchronous_commit": "on",
    "transaction_isolation": "read committed",
    "lock_timeout": "1s",
    "statement_timeout": "4s",
    "idle_in_transaction_session_timeout": "2s",
}


async def test_an_outage_behind_the_pooler_or_of_itself(namespace: str) -> None:
    with postgres() as server, pgbouncer(server) as pooler:
        async with build(pooler.url(), namespace) as backend:
            term = await lead(backend)
            keep = frozenset({Claim("e", term.token)})
            for one in (pooler, server):
                one.stop()
                with pytest.raises(Unavailable):
                    await backend.renew(keep)
                one.start()
                renewal = await eventually(lambda: backend.renew(keep))
                assert renewal.survivors == keep


async def test_a_server_that_is_away_behind_the_pooler_may_still_come(namespace: str) -> None:
    """The pooler greets all the same, and gives one code to all that it says by itself."""
    with postgres() as server, pgbouncer(server) as pooler:
        server.stop()
        for _ in range(2):
            with pytest.raises(Unavailable):
                await build(pooler.url(), namespace).__aenter__()
        server.start()
        async with await eventually(build(pooler.url(), namespace).__aenter__) as backend:
            await lead(backend)


async def test_a_standby_behind_the_pooler_grants_nothing_and_is_not_read(namespace: str) -> None:
    """The pooler keeps our connections, and makes its own anew, to whatever answers then."""
    with postgres() as server, pgbouncer(server) as pooler:
        async with build(pooler.url(), namespace) as backend:
            term = await lead(backend)
            server.stop()
            (server.data / "standby.signal").touch()
            server.start()
            await refused(lambda: lead(backend, "new"), Unavailable, "standby")
            await refused(lambda: backend.renew([]), Unavailable, "standby")
            await refused(lambda: backend.read("e"), Unavailable, "standby")
            sql(server.url(), "SELECT pg_promote()")
            renewal = await eventually(lambda: backend.renew([Claim("e", term.token)]))
            assert renewal.survivors == {Claim("e", term.token)}


async def test_who_needs_the_server_itself_is_refused(pooler: Pgbouncer) -> None:
    """As a driver does that holds something on its connection, such as a lock."""
    server = Server(pooler.url())
    with pytest.raises(Rejected, match="a pooler stands before this PostgreSQL"):
        await server.connect()
    await server.close()


async def test_session_mode_will_do_as_well(server: Postgres, namespace: str) -> None:
    with pgbouncer(server, "session") as pooler:
        async with build(pooler.url(), namespace) as backend, watching(backend) as watch:
            term = await lead(backend)
            await watch.until("e", term.token)
            assert (await backend.renew([Claim("e", term.token)])).survivors


async def test_a_pooler_without_transactions_is_refused(server: Postgres, namespace: str) -> None:
    with (
        pgbouncer(server, "statement") as pooler,
        pytest.raises(Rejected, match="allows no transactions: set it to transaction mode"),
    ):
        await build(pooler.url(), namespace).__aenter__()


async def test_a_parameter_that_the_pooler_refuses(pooler: Pgbouncer, namespace: str) -> None:
    url = f"{pooler.url()}?options=-csearch_path%3Delsewhere"
    with pytest.raises(Rejected, match="the pooler before PostgreSQL refuses a parameter"):
        await build(url, namespace).__aenter__()
