"""What lease rows mean in any SQL store: a row is a record, a living session makes it a term."""

from datetime import datetime, timedelta
from typing import NamedTuple

from incumbent_backends.api import Snapshot, Term


class Row(NamedTuple):
    """One row of incumbent_term, in the order in which the statements list it."""

    election: str
    version: int
    token: int
    session: str | None
    holder: str
    attempt: int
    candidate: str
    value: bytes
    backend_ttl_ms: int
    begin_time: str

    def term(self) -> Term | None:
        """The term in this row, provided that its session lives.

        ValueError for a row that no gateway wrote: SQLite keeps any type in any column.
        """
        if self.session is None:
            return None
        numbers = (self.version, self.token, self.attempt, self.backend_ttl_ms)
        texts = (self.session, self.holder, self.candidate, self.begin_time)
        if not all(isinstance(each, int) for each in numbers):
            raise ValueError(f"election {self.election!r}: a number is none")
        if not all(isinstance(each, str) for each in texts):
            raise ValueError(f"election {self.election!r}: a text is none")
        return Term(
            election=self.election,
            token=self.token,
            holder=self.holder,
            attempt=self.attempt,
            candidate=self.candidate,
            value=self.value,
            session=self.session,
            backend_ttl=timedelta(milliseconds=self.backend_ttl_ms),
            begin_time=datetime.fromisoformat(self.begin_time),
        )


def snapshot(election: str, row: Row | None, term: Term | None) -> Snapshot:
    """The version holds the term too: neither a dead session nor an editing hand moves a number."""
    return Snapshot(election, (0 if row is None else row.version, term), term)
