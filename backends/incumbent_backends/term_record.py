"""A term as one record of a key-value store, for drivers whose store knows no columns.

A record is a JSON object that people can read. What the store itself keeps of a term (its token,
where that is a revision, or the session that a key hangs on) the driver adds when it reads one.
"""

import base64
import binascii
import json
from datetime import datetime, timedelta
from typing import Any

from incumbent_backends.api import Term

_MOST = 2**63  # of a token or an attempt, as the gateway's clients know them

__all__ = ["read_record", "write_record"]


def write_record(term: Term) -> bytes:
    """Write a term down. Token 0 stands for one that the store mints as it takes the record."""
    fields = {
        "token": term.token,
        "holder": term.holder,
        "attempt": term.attempt,
        "candidate": term.candidate,
        "value": base64.b64encode(term.value).decode(),
        "session": term.session,
        "backend_ttl_ms": round(term.backend_ttl / timedelta(milliseconds=1)),
        "begin_time": term.begin_time.isoformat(),
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def read_record(election: str, record: bytes) -> Term:
    """Read what write_record wrote. ValueError: no gateway wrote this."""
    try:
        fields: dict[str, Any] = json.loads(record)
        term = Term(
            election=election,
            token=fields["token"],
            holder=fields["holder"],
            attempt=fields["attempt"],
            candidate=fields["candidate"],
            value=base64.b64decode(fields["value"], validate=True),
            session=fields["session"],
            backend_ttl=timedelta(milliseconds=fields["backend_ttl_ms"]),
            begin_time=datetime.fromisoformat(fields["begin_time"]),
        )
    except (
        ValueError, TypeError, LookupError, OverflowError, RecursionError, binascii.Error,
    ) as error:  # fmt: skip
        raise ValueError(f"election {election!r}: this is no record of a term") from error
    numbers, texts = (term.token, term.attempt), (term.holder, term.candidate, term.session)
    if (
        not all(type(each) is int for each in numbers)
        or not all(isinstance(each, str) for each in texts)
        or not all(map(_is_text, texts))
        or not (0 <= term.token < _MOST and 1 <= term.attempt < _MOST)
        or term.backend_ttl <= timedelta(0)
        or term.begin_time.tzinfo is None
    ):
        raise ValueError(f"election {election!r}: a field of this record is none of a term")
    return term


def _is_text(text: str) -> bool:
    """Whether it can be told to anybody: JSON can hold half a character, UTF-8 cannot."""
    return not any("\ud800" <= each <= "\udfff" for each in text)
