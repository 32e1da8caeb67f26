"""A PostgreSQL that may not be used, or not any more: nothing is granted until it may be again."""

import secrets
from collections.abc import Iterator

import psycopg
import pytest

from incumbent_backends.api import BackendError, Claim, Rejected, Unavailable
from tests.integration.advisory_store import held
from tests.integration.postgres_store import eventually, refused, sql
from tests.integration.verbs import lead, watching
from tests.mechanisms import Mechanism, both
from tests.proxies import proxied
from tests.servers import Postgres, postgres, shared

pytestmark = both

STORE = "postgres"


@pytest.fixture(scope="module")
def url() -> str:
    return shared(STORE).url()


@pytest.fixture
def own() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture
def namespace() -> str:
    return f"refusals-{secrets.token_hex(6)}"


async def test_a_store_that_turns_read_only(
    own: Postgres, mechanism: Mechanism, namespace: str
) -> None:
    async with mechanism.build(own.url(), namespace) as backend:
        term = await lead(backend)
        keep = [Claim("e", term.token)]
        sql(own.url(), "ALTER DATABASE postgres SET default_transaction_read_only = on")
        hang_up(own)
        text = "read-only"
        await refused(lambda: lead(backend, "new"), Unavailable, mechanism.bid_meets(text))
        await refused(lambda: backend.renew([]), Unavailable, text)
        options = "?options=-cdefault_transaction_read_only%3Doff"
        sql(own.url() + options, "ALTER DATABASE postgres RESET default_transaction_read_only")
        hang_up(own)
        renewal = await eventually(lambda: backend.renew(keep))
        assert renewal.survivors == mechanism.left(keep)
        assert (await eventually(lambda: lead(backend, "new"))).token > term.token


async def test_a_standby_grants_nothing_until_it_is_promoted(
    own: Postgres, mechanism: Mechanism, namespace: str
) -> None:
    async with mechanism.build(own.url(), namespace) as backend:
        term = await lead(backend)
        keep = [Claim("e", term.token)]
        own.stop()
        (own.data / "standby.signal").touch()
        own.start()
        text = "standby"
        await refused(lambda: lead(backend, "new"), Unavailable, mechanism.bid_meets(text))
        await refused(lambda: backend.renew([]), Unavailable, text)
        await refused(lambda: backend.read("e"), Unavailable, text)
        with pytest.raises(Unavailable, match=text):
            await mechanism.build(own.url(), namespace).__aenter__()
        sql(own.url(), "SELECT pg_promote()")
        renewal = await eventually(lambda: backend.renew(keep))
        assert renewal.survivors == mechanism.left(keep)
        assert (await eventually(lambda: lead(backend, "new"))).token > term.token


async def test_another_cluster_at_the_same_address_grants_nothing(
    own: Postgres, mechanism: Mechanism, namespace: str
) -> None:
    with postgres() as stranger:
        sql(stranger.url(), f"ALTER ROLE postgres PASSWORD '{own.password}'")
        async with (
            proxied(own.address) as proxy,
            mechanism.build(own.url().replace(own.address, proxy.target), namespace) as backend,
        ):
            term = await lead(backend)
            keep = [Claim("e", term.token)]
            proxy.port = stranger.port
            proxy.reset()
            text = "another PostgreSQL cluster"
            await refused(lambda: lead(backend, "new"), Unavailable, mechanism.bid_meets(text))
            await refused(lambda: backend.renew([]), Unavailable, text)
            await refused(lambda: backend.read("e"), Unavailable, text)
            proxy.port = own.port
            proxy.reset()
            renewal = await eventually(lambda: backend.renew(keep))
            assert renewal.survivors == mechanism.left(keep)
            assert (await eventually(lambda: lead(backend, "new"))).token > term.token


async def test_a_password_that_changes_is_unavailable_and_recovers(
    own: Postgres, mechanism: Mechanism, namespace: str
) -> None:
    async with mechanism.build(own.url(), namespace) as backend:
        keep = [Claim("e", (await lead(backend)).token)]
        with psycopg.connect(own.url(), autocommit=True) as admin:
            admin.execute("ALTER ROLE postgres PASSWORD 'other'")
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'incumbent-server'"
            )
            await refused(lambda: backend.renew([]), Unavailable, "password")
            admin.execute(f"ALTER ROLE postgres PASSWORD '{own.password}'".encode())
        renewal = await eventually(lambda: backend.renew(keep))
        assert renewal.survivors == mechanism.left(keep)


async def test_tables_dropped_while_in_use(
    own: Postgres, mechanism: Mechanism, namespace: str
) -> None:
    async with mechanism.build(own.url(), namespace) as backend:
        sql(own.url(), f"DROP TABLE {mechanism.terms} CASCADE")
        with pytest.raises(Rejected, match="not as Incumbent made them") as caught:
            await lead(backend)
        assert "SELECT" not in str(caught.value)
        with pytest.raises(Unavailable, match="not as Incumbent made them"):
            await anext(backend.watch())


async def test_the_counter_deleted_by_hand_grants_nothing_and_loses_nothing(
    url: str, mechanism: Mechanism, namespace: str
) -> None:
    async with mechanism.build(url, namespace) as backend:
        kept, ended = await lead(backend, "kept"), await lead(backend, "ended")
        sql(url, "DELETE FROM incumbent_namespace WHERE name = %s", namespace)
        with pytest.raises(Rejected, match="last_token"):
            await lead(backend, "new")
        assert held(url, namespace, "new") == [], "no lock is stranded"
        await backend.release(ended)
        keep = frozenset({Claim("kept", kept.token)})
        assert (await backend.renew(keep)).survivors == keep
        with pytest.raises(Rejected, match="last_token"):
            await mechanism.build(url, namespace).__aenter__()
        insert = "INSERT INTO incumbent_namespace VALUES (%s, %s, 1, %s)"
        sql(url, insert, namespace, f"postgres {mechanism.name}", ended.token)
        assert (await lead(backend, "new")).token > ended.token


async def test_a_change_whose_hint_is_lost_is_told_within_two_seconds(
    url: str, mechanism: Mechanism, namespace: str
) -> None:
    async with (
        mechanism.build(url, namespace) as backend,
        mechanism.build(url, namespace) as other,
        watching(other) as watch,
    ):
        await backend._hints.close()  # type: ignore[attr-defined] # it tells nobody any more
        term = await lead(backend)
        await watch.until("e", term.token, seconds=2)
        await backend.release(term)
        await watch.until("e", None, seconds=2)


async def test_no_error_tells_sql_address_or_password(
    own: Postgres, mechanism: Mechanism, namespace: str
) -> None:
    async with mechanism.build(own.url(), namespace) as backend:
        own.kill()
        for verb in (lead(backend), backend.renew([]), backend.read("e")):
            with pytest.raises(BackendError) as caught:
                await verb
            text = str(caught.value)
            assert not any(word in text for word in (own.password, str(own.port), "SELECT", "127."))


def hang_up(server: Postgres) -> None:
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid()"
    sql(server.url(), f"{end} AND backend_type = 'client backend'")
