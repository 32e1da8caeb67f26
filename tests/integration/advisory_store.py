"""The advisory locks of a PostgreSQL, for the tests special to them."""

from datetime import timedelta

from incumbent_backends.api import Clock, Options
from incumbent_backends.conformance import FakeClock
from incumbent_backends.postgres_advisory import PostgresAdvisory
from incumbent_backends.postgres_lock_keys import election_key
from tests.integration.postgres_store import sql
from tests.integration.verbs import SECOND


def locks(url: str) -> str:
    """The same database by the driver of advisory locks."""
    return url.replace("://", "+advisory://", 1)


def build(
    url: str, namespace: str, *, backend_ttl: timedelta = 15 * SECOND, clock: Clock | None = None
) -> PostgresAdvisory:
    """The driver on a database. Its clock stands still unless the test moves it."""
    return PostgresAdvisory(locks(url), Options(namespace, backend_ttl, clock or FakeClock()))


def terminate(url: str, session: str) -> None:
    """End a session on the server, as an operator would."""
    sql(url, "SELECT pg_terminate_backend(pid) FROM incumbent_lock WHERE session = %s", session)


def held(url: str, namespace: str, election: str) -> list[str]:
    """The sessions that hold this election's lock."""
    key = election_key(namespace, election)
    found = sql(url, "SELECT session FROM incumbent_lock WHERE lock_key = %s", key)
    return [str(session) for (session,) in found]
