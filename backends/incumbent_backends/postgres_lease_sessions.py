"""Which sessions of lease rows live: those whose row is there. A silent one is ended."""

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any

from incumbent_backends.api import Clock, Snapshot
from incumbent_backends.lease_picture import Patience, SessionRow
from incumbent_backends.postgres_hints import SESSIONS, Hints
from incumbent_backends.postgres_rows import LEASE, count
from incumbent_backends.postgres_server import Connection

_log = logging.getLogger(__name__)


class LeaseSessions:
    """All sessions of a namespace as this gateway has seen them; it ends those that are silent."""

    sql = LEASE

    def __init__(
        self, namespace: str, clock: Clock, hints: Hints, own_session: Callable[[], str]
    ) -> None:
        self._namespace = namespace
        self._clock = clock
        self._hints = hints
        self._own_session = own_session
        self._patience = Patience()  # outlives a look that failed: the renewals seen stay seen

    def living(self, rows: Sequence[tuple[Any, ...]]) -> frozenset[str]:
        sessions = [SessionRow(*row) for row in rows]
        self._patience.observe(sessions, self._clock.now())  # read after the read: its arrival
        return frozenset(session.id for session in sessions)

    def over(self) -> Collection[str]:
        return ()  # a session that died is not in the table

    async def tend(self, db: Connection, news: Sequence[Snapshot]) -> bool:
        again = False
        for session in self._patience.silent(self._clock.now()):
            if session.id == self._own_session():
                continue
            names = {
                "namespace": self._namespace, "session": session.id, "renewals": session.renewals,
            }  # fmt: skip
            if await count(db, "kill_session", names):
                _log.info("ended the silent session %s", session.id)
                self._hints.tell([SESSIONS])
                again = True
        return again
