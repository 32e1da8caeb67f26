"""What of the Consul driver needs no server: its URL, its keys, its errors, its picture."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from incumbent_backends.api import BackendError, Options, Rejected, Snapshot, Term, Unavailable
from incumbent_backends.conformance import FakeClock
from incumbent_backends.consul import Consul
from incumbent_backends.consul_entry import FLAGS, Entry, read_entry, write_entry
from incumbent_backends.consul_errors import NO_CONSUL, NO_RIGHT, passing, refused
from incumbent_backends.consul_picture import Picture
from incumbent_backends.consul_space import Tree
from incumbent_backends.consul_url import Address, parse_url

TERM = Term(
    election="a/b",
    token=0,
    holder="a" * 64,
    attempt=1,
    candidate="c",
    value=b"v",
    session="main",
    backend_ttl=timedelta(seconds=15),
    begin_time=datetime(2026, 1, 2, tzinfo=UTC),
)


def test_a_url_with_everything() -> None:
    given = parse_url("consuls://:s%40me@host?dc=east&ca=a&cert=b&key=c&session_ttl_min=500ms", {})
    least = timedelta(milliseconds=500)
    assert given == Address("https://host:8501", "s@me", "east", "a", "b", "c", least)


def test_what_a_url_leaves_out() -> None:
    given = parse_url("Consul://[::1]/", {"CONSUL_HTTP_TOKEN": "from-the-variable"})
    ten = timedelta(seconds=10)
    expected = Address("http://[::1]:8500", "from-the-variable", None, None, None, None, ten)
    assert given == expected
    assert "from-the-variable" not in repr(given)
    assert parse_url("consul://:mine@h", {"CONSUL_HTTP_TOKEN": "other"}).token == "mine"


@pytest.mark.parametrize(
    "url",
    [
        "consul://",
        "consul://:secret@host:port",
        "consul://:secret@host:99999",
        "consul://:secret@host:0",
        "consul://:secret@a..b",
        "consul://:secret@" + 64 * "a",
        "consul://secret@host",
        "consul://:secret@host/path",
        "consul://:secret@host#x",
        "consul://:secret@host?colour=secret",
        "consul://:secret@host?dc=a&dc=secret",
        "consul://:secret@host?secret",
        "consul://:secret@host?dc=",
        "consuls://:secret@host?key=secret",
        "consuls://:secret@host?key=",
        "consuls://:secret@host?ca=",
        "consul://:secret@host?session_ttl_min=secret",
        "consul://:secret@host?session_ttl_min=0s",
        "consul://:secret@host?session_ttl_min=99999999999999999999m",
        "consul://:secret@host?ca=secret",
        "consul://:secret%0a@host",
        "consul://:secret@ho st",
        "sqlite:///secret",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_offline(url: str) -> None:
    with pytest.raises(Rejected) as caught:
        Consul(url, Options("tests", timedelta(seconds=15), FakeClock()))
    assert "secret" not in str(caught.value)


def test_the_smallest_ttl_is_the_servers() -> None:
    options = Options("tests", timedelta(seconds=15), FakeClock())
    usual = Consul("consul://h", options).limits
    lowered = Consul("consul://h?session_ttl_min=2s", options).limits
    assert usual.min_backend_ttl == timedelta(seconds=10)
    assert lowered.min_backend_ttl == timedelta(seconds=2)
    assert usual.expiry_factor == lowered.expiry_factor == 2
    assert len(lowered.notes) == len(usual.notes) + 1


def pair(**changes: Any) -> dict[str, Any]:
    term, lock = changes.pop("term", TERM), changes.pop("lock", "main")
    made = {"ModifyIndex": 7, "Session": "main", "Flags": FLAGS, "Value": write_entry(term, lock)}
    return made | changes


def test_a_fresh_record_takes_its_index_for_a_token() -> None:
    assert read_entry("a/b", pair()) == Entry("a/b", 7, "main", replace(TERM, token=7))


def test_a_record_that_was_written_again_keeps_its_token() -> None:
    term = replace(TERM, token=3)
    assert read_entry("a/b", pair(term=term)).term == term


def test_a_longer_sessions_lock_is_told_from_the_session() -> None:
    entry = read_entry("a/b", pair(lock="longer", Session="longer"))
    assert entry.term == replace(TERM, token=7)
    assert entry.lock == "longer"


@pytest.mark.parametrize(
    "changes",
    [
        {"Session": None},
        {"Session": ""},
        {"Session": "another"},
        {"Flags": 0},
        {"Value": None},
        {"Value": base64.b64encode(b"by hand").decode()},
        {"lock": "longer"},
    ],
)
def test_what_is_no_term(changes: dict[str, Any]) -> None:
    entry = read_entry("a/b", pair(**changes))
    assert entry.term is None
    assert entry.there
    assert entry.snapshot() == Snapshot("a/b", 0, None)


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (403, "Permission denied: token with AccessorID", Rejected, NO_RIGHT),
        (403, "ACL not found", Rejected, "revoked, or is mistyped"),
        (400, "Client sent an HTTP request to an HTTPS server.", Rejected, "consuls://"),
        (500, "No path to datacenter", Rejected, "datacenter"),
        (500, "leadership lost while committing log", Unavailable, "could not"),
        (301, "", Rejected, NO_CONSUL),
    ],
)
def test_refusals(status: int, body: str, kind: type[BackendError], text: str) -> None:
    error = refused(status, body, at_start=True)
    assert isinstance(error, kind)
    assert text in str(error)
    assert isinstance(refused(status, body, at_start=False), Unavailable)


def test_what_may_be_asked_again() -> None:
    assert passing(429, "")
    assert passing(500, "No cluster leader")
    assert not passing(500, "leadership lost while committing log")  # it may have been done
    assert not passing(404, "")


def led(token: int, session: str = "main") -> Entry:
    return Entry("e", token, session, replace(TERM, election="e", token=token, session=session))


def test_a_picture_tells_differences_only() -> None:
    picture = Picture()
    assert picture.update(Tree(5, {"e": led(5)})) == [led(5).snapshot()]
    assert picture.update(Tree(6, {"e": led(5), "x": Entry("x", 6, "", None)})) == []
    assert picture.update(Tree(4, {})) == [Snapshot("e", 0, None)]


def test_a_picture_tells_what_became_of_an_answer() -> None:
    picture = Picture()
    picture.update(Tree(5, {}))
    picture.owe([led(6).snapshot()])  # won, and gone before anybody looked
    assert picture.confirmed() == [Snapshot("e", 0, None)]
    assert picture.confirmed() == []
