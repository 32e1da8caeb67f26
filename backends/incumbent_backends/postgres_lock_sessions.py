"""Which sessions of advisory locks live: those whose own lock is held, as a look shows it."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from incumbent_backends.api import Snapshot
from incumbent_backends.postgres_lock_session import LOCKS, LockSession
from incumbent_backends.postgres_server import Connection


class LockSessions:
    """All sessions of the database; `tidy` is called when a lock of our own stands for nothing."""

    sql = LOCKS

    def __init__(self, own: LockSession, tidy: Callable[[], None]) -> None:
        self._own = own
        self._tidy = tidy

    def living(self, rows: Sequence[tuple[Any, ...]]) -> frozenset[str]:
        living = frozenset(str(session) for (session,) in rows)
        self._own.seen(living)
        return living

    def over(self) -> Collection[str]:
        return self._own.ended

    async def tend(self, db: Connection, news: Sequence[Snapshot]) -> bool:
        """Have a lock given back whose record somebody deleted or ended by hand."""
        if any(self._stands_for_nothing(item) for item in news):
            self._tidy()
        return False

    def _stands_for_nothing(self, news: Snapshot) -> bool:
        elsewhere = news.term is None or news.term.session != self._own.id
        return elsewhere and self._own.holds(news.election)
