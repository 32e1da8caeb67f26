"""PostgreSQL's two mechanisms side by side, for what is the same story on both."""

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import NamedTuple, Protocol

import pytest

from incumbent_backends.api import Backend, Claim, Clock
from tests.integration import advisory_store, postgres_store
from tests.integration.advisory_store import locks


class Build(Protocol):
    """The driver on a database. Its clock stands still unless the test moves it."""

    def __call__(
        self, url: str, namespace: str, *, backend_ttl: timedelta = ..., clock: Clock | None = None
    ) -> Backend: ...


class Mechanism(NamedTuple):
    """One of the two: how its driver is had, and what becomes of a term without its connection."""

    name: str
    url: Callable[[str], str]  # the store's URL on a database
    build: Build
    terms_stay: bool  # where the connection breaks
    expires: float  # seconds after a backend ttl of 3 s by which the store has ended the silent
    terms: str  # the table
    sessions: str  # the living ones' names, in SQL

    def bid_meets(self, trouble: str) -> str:
        """What a bid says when renewals and reads meet this trouble at each new connection."""
        return trouble if self.terms_stay else "session in PostgreSQL has ended"

    def left(self, claims: Collection[Claim]) -> frozenset[Claim]:
        """Which of these terms live on when their connection broke."""
        return frozenset(claims if self.terms_stay else ())


ROWS = Mechanism(
    "lease rows",
    str,
    postgres_store.build,
    True,
    3 * 0.02 + 0.5,
    "incumbent_term",
    "SELECT id FROM incumbent_session",
)
LOCKS = Mechanism(
    "advisory locks",
    locks,
    advisory_store.build,
    False,
    1.0,
    "incumbent_lock_term",
    "SELECT DISTINCT session FROM incumbent_lock",
)

both = pytest.mark.parametrize("mechanism", [ROWS, LOCKS], ids=lambda each: each.name)
