"""A PostgreSQL store for the tests special to it: options, hands in the tables."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import psycopg
import pytest

from incumbent_backends.api import Backend, BackendError, Clock, Options, Rejected, Unavailable
from incumbent_backends.conformance import FakeClock
from incumbent_backends.postgres_lease import PostgresLease
from tests.integration.verbs import SECOND
from tests.servers import Postgres

T = TypeVar("T")


def build(
    url: str,
    namespace: str,
    *,
    backend_ttl: timedelta = 15 * SECOND,
    clock: Clock | None = None,
) -> PostgresLease:
    """The driver on a database. Its clock stands still unless the test moves it."""
    return PostgresLease(url, Options(namespace, backend_ttl, clock or FakeClock()))


def sql(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Say something to the database by hand, as an operator with psql would."""
    with psycopg.connect(url, autocommit=True) as db:
        cursor = db.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def scratch_database(url: str) -> Iterator[str]:
    """The name of a database for the block."""
    name = f"test_{secrets.token_hex(4)}"
    sql(url, f"CREATE DATABASE {name}")
    try:
        yield name
    finally:
        sql(url, f"DROP DATABASE {name} WITH (FORCE)")


async def refusal(backend: Backend) -> str:
    """The one sentence with which a backend refuses to open, without anything unseemly in it."""
    with pytest.raises(Rejected) as caught:
        await backend.__aenter__()
    text = str(caught.value)
    assert "\n" not in text
    assert not any(word in text for word in ("SELECT", "INSERT", "127.0.0.1", "://"))
    return text


@contextmanager
def transaction(url: str, *statements: str) -> Iterator[psycopg.Connection]:
    """Somebody's transaction that stays open for the block, and is then committed."""
    with psycopg.connect(url) as db:
        for statement in statements:
            db.execute(statement.encode())
        yield db


async def waits_for_lock(url: str, seconds: float = 5.0) -> None:
    """Return when some statement of a gateway waits for a lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND application_name = 'incumbent-server'"
    )
    async with asyncio.timeout(seconds):
        while sql(url, waiting) == [(0,)]:
            await asyncio.sleep(0.01)


async def eventually(call: Callable[[], Awaitable[T]], seconds: float = 15.0) -> T:
    """Repeat a call that may be Unavailable, as the core does."""
    give_up = time.monotonic() + seconds
    while True:
        try:
            return await call()
        except Unavailable:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.02)


async def refused(
    call: Callable[[], Awaitable[object]], kind: type[BackendError], text: str
) -> BackendError:
    """Repeat a call until it is refused so: its connection may not have heard of it yet."""
    async with asyncio.timeout(5):
        while True:
            try:
                await call()
            except kind as error:
                if text in str(error):
                    return error
            await asyncio.sleep(0.02)


def fill_log(server: Postgres) -> None:
    """Write into the log until it has no room, which PostgreSQL does not survive."""
    message = "SELECT pg_logical_emit_message(false, 'filler', repeat('x', 100000))"
    with psycopg.connect(server.url(), autocommit=True) as db, suppress(psycopg.OperationalError):
        while True:
            db.execute(message.encode())
