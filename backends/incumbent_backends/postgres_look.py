"""Looking at a PostgreSQL store: what is read, when, into a picture."""

import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol

from incumbent_backends.api import Snapshot
from incumbent_backends.lease_picture import Picture
from incumbent_backends.lease_rows import Row
from incumbent_backends.postgres_rows import Statements
from incumbent_backends.postgres_server import Connection

POLL = 0.25  # between two looks, unless a hint or a newcomer comes first


class Sessions(Protocol):
    """Who lives, as a mechanism finds it out; `sql` are its statements."""

    sql: Statements

    def living(self, rows: Sequence[tuple[Any, ...]]) -> frozenset[str]:
        """Name the sessions that live by what the statement `sessions` has just answered."""

    def over(self) -> Collection[str]:
        """Name those that are known here to be over, whatever a look still shows of them."""

    async def tend(self, db: Connection, news: Sequence[Snapshot]) -> bool:
        """Do after a look what is due; whether to look again at once."""


class Look:
    """Looks of one connection. Begun anew after an error, on a new one."""

    def __init__(self, db: Connection, namespace: str, sessions: Sessions) -> None:
        self.picture = Picture()
        self._db = db
        self._names = {"namespace": namespace}
        self._sessions = sessions
        self._sql = sessions.sql
        self._digest = ""  # of what the picture was drawn from; "" when it went on from there
        self._whole_at = 0.0

    async def look(self, hinted: Iterable[str], *, whole: bool) -> list[Snapshot]:
        """Read the sessions, what the hints name, and all that differs if a whole look is due."""
        changed, gone = set(hinted), set[str]()
        digest, started = self._digest, time.monotonic()
        whole = whole or started >= self._whole_at
        async with self._db.transaction():  # REPEATABLE READ, READ ONLY
            live = self._sessions.living(await self._sql.rows(self._db, "sessions", self._names))
            if whole:
                ((digest,),) = await self._sql.rows(self._db, "digest", self._names)
            if digest != self._digest:
                outline = await self._sql.rows(self._db, "outline", self._names)
                differing, gone_now = self.picture.differing(outline)
                changed.update(differing)
                gone.update(gone_now)
            found = await self._rows_of(changed) if changed else []
        self._digest = digest if whole or not changed else ""
        if whole:
            ended = time.monotonic()
            self._whole_at = ended + max(POLL, 9 * (ended - started))
        gone.update(changed.difference(row.election for row in found))
        return self.picture.update(live, found, gone)

    async def _rows_of(self, elections: Iterable[str]) -> list[Row]:
        names = {**self._names, "elections": list(elections)}
        return [Row(*row) for row in await self._sql.rows(self._db, "rows_of", names)]

    async def forget(self, vacant: dict[str, int]) -> None:
        """Delete the rows of elections that were vacant at these versions, thus still are."""
        names = {"elections": list(vacant), "versions": list(vacant.values())}
        await self._sql.count(self._db, "sweep", {**self._names, **names})
