"""A term as Consul keeps it: one key, locked by the session that the term hangs on.

    incumbent/NAMESPACE/marker           mechanism, layout, and an id of the namespace's own
    incumbent/NAMESPACE/term/ELECTION    a record; the key's lock, while its session lives

A fresh record holds token 0: its token is then the key's ModifyIndex, which is the raft index of
the transaction that won, and grows for ever. Whoever writes the record again writes the token down.
A record is a term only if a session holds the key's lock and the record names that session. What a
hand has put there has other flags, and is none.
"""

import base64
from dataclasses import dataclass, replace
from typing import Any

from incumbent_backends.api import Snapshot, Term
from incumbent_backends.term_record import read_record, write_record

FLAGS = 0x1C0B  # of what a gateway wrote; a plain put has 0
_BESIDE = "+"  # in a record's session: SESSION+LOCK, where the lock is a longer session's


@dataclass(frozen=True, slots=True)
class Entry:
    """An election's key as it was read; `term` is None if nobody leads by it."""

    election: str
    index: int  # ModifyIndex; 0: there is no such key
    lock: str  # the session that holds it, or ""
    term: Term | None

    @property
    def there(self) -> bool:
        return self.index > 0

    def snapshot(self) -> Snapshot:
        return Snapshot(self.election, self.index if self.term else 0, self.term)


def nothing(election: str) -> Entry:
    """An election without a key."""
    return Entry(election, 0, "", None)


def read_entry(election: str, pair: dict[str, Any], known: Entry | None = None) -> Entry:
    """Read Consul's JSON of a key. `known` is returned if it is that very state."""
    index, lock = int(pair["ModifyIndex"]), pair.get("Session") or ""
    if known is not None and (known.index, known.lock) == (index, lock):
        return known
    term = None
    if lock and pair.get("Flags") == FLAGS:
        term = _read_term(election, index, lock, base64.b64decode(pair.get("Value") or ""))
    return Entry(election, index, lock, term)


def _read_term(election: str, index: int, lock: str, value: bytes) -> Term | None:
    try:
        record = read_record(election, value)
    except ValueError:
        return None
    session, _, beside = record.session.partition(_BESIDE)
    if (beside or session) != lock:
        return None
    return replace(record, session=session, token=record.token or index)


def write_entry(term: Term, lock: str) -> str:
    """The value of a term whose key this session locks; token 0: Consul is to mint it."""
    session = term.session if lock == term.session else f"{term.session}{_BESIDE}{lock}"
    return base64.b64encode(write_record(replace(term, session=session))).decode()
