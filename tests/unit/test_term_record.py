"""A term survives being written down, and what no gateway wrote is told apart from it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent_backends.api import Term
from incumbent_backends.term_record import read_record, write_record

TERM = Term(
    election="team/x",
    token=41,
    holder="a" * 64,
    attempt=2,
    candidate="näher",
    value=b"\x00\xff",
    session="s",
    backend_ttl=timedelta(seconds=15),
    begin_time=datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
)


@given(
    st.builds(
        Term,
        election=st.text(),
        token=st.integers(0, 2**63 - 1),
        holder=st.text(),
        attempt=st.integers(1, 2**63 - 1),
        candidate=st.text(),
        value=st.binary(),
        session=st.text(),
        backend_ttl=st.integers(1, 86_400_000).map(lambda ms: timedelta(milliseconds=ms)),
        begin_time=st.datetimes(timezones=st.just(UTC)),
    )
)
def test_what_was_written_is_read(term: Term) -> None:
    assert read_record(term.election, write_record(term)) == term


def test_a_record_is_for_people_too() -> None:
    assert "näher" in write_record(TERM).decode()


@pytest.mark.parametrize(
    "record", [b"", b"\xff", b"none", b"[]", b"7", b"null", b"{}", b'{"token":1}', b"[" * 100_000]
)
def test_what_is_no_record(record: bytes) -> None:
    with pytest.raises(ValueError, match="'team/x'"):
        read_record("team/x", record)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("token", -1),
        ("token", "1"),
        ("token", True),
        ("token", 2**63),
        ("holder", None),
        ("attempt", 0),
        ("attempt", 1.5),
        ("attempt", 2**63),
        ("candidate", "\ud800"),
        ("candidate", 7),
        ("value", "not base64"),
        ("value", None),
        ("session", []),
        ("backend_ttl_ms", 0),
        ("backend_ttl_ms", "15"),
        ("backend_ttl_ms", 1e300),
        ("begin_time", "2026-01-02T03:04:05"),
        ("begin_time", "yesterday"),
    ],
)
def test_a_field_that_is_none(field: str, wrong: Any) -> None:
    fields = json.loads(write_record(TERM))
    fields[field] = wrong
    with pytest.raises(ValueError, match="'team/x'"):
        read_record("team/x", json.dumps(fields).encode())
