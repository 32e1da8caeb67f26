"""Observers hold the latest state of what they look at, never a queue."""

from datetime import UTC, datetime, timedelta

import pytest

from incumbent_backends.api import Term
from incumbent_server.observers import Observer, Observers, prefixes
from incumbent_server.reasons import Reason, Refused


def term(election: str, token: int) -> Term:
    ttl = timedelta(seconds=15)
    return Term(election, token, "0" * 64, 1, "c", b"", "s", ttl, datetime.now(UTC))


def test_a_name_falls_under_each_prefix_that_ends_at_a_slash() -> None:
    assert list(prefixes("a/b/c")) == ["", "a/", "a/b/"]
    assert list(prefixes("a")) == [""]


def test_a_change_reaches_exactly_those_who_look_at_it() -> None:
    observers = Observers()
    keys = {"a/b", "a/", "", "a/b/", "b", "a"}
    readers = {key: Observer(key, {}) for key in keys}
    for reader in readers.values():
        observers.add(reader)
    observers.publish("a/b", None)
    assert {key for key, reader in readers.items() if reader.take()} == {"a/b", "a/", ""}


async def test_a_slow_reader_gets_the_latest_state() -> None:
    observers, reader = Observers(), Observer("a", {"a": None})
    observers.add(reader)
    for token in range(1, 1000):
        observers.publish("a", term("a", token), vacated=True)
    latest = term("a", 1000)
    observers.publish("a", latest, vacated=True)
    assert await reader.changes() == [("a", None), ("a", latest)]
    assert reader.take() == []


async def test_a_vacancy_is_told_before_a_quick_successor() -> None:
    observers, first, second = Observers(), term("a", 1), term("a", 2)
    watched, unread = Observer("a", {"a": first}), Observer("a", {"a": first})
    for reader in (watched, unread):
        observers.add(reader)
        reader.take()
    observers.publish("a", second, vacated=True)
    assert await watched.changes() == [("a", None), ("a", second)]
    observers.publish("a", None)
    observers.publish("a", second)
    assert await unread.changes() == [("a", None), ("a", second)]


async def test_a_new_value_is_no_vacancy() -> None:
    observers, reader = Observers(), Observer("a", {"a": term("a", 1)})
    observers.add(reader)
    reader.take()
    same = term("a", 1)
    observers.publish("a", same)
    assert await reader.changes() == [("a", same)]


async def test_vacancy_is_a_change() -> None:
    observers, reader = Observers(), Observer("a", {"a": term("a", 1)})
    observers.add(reader)
    reader.take()
    observers.publish("a", None)
    assert await reader.changes() == [("a", None)]


async def test_a_drain_lets_readers_go_after_what_is_unread() -> None:
    observers, reader = Observers(), Observer("a", {"a": None})
    observers.add(reader)
    observers.finish()
    assert await reader.changes() == [("a", None)]
    with pytest.raises(Refused) as refusal:
        await reader.changes()
    assert refusal.value.reason is Reason.GATEWAY_DRAINING


def test_who_is_gone_is_forgotten() -> None:
    observers, reader = Observers(), Observer("a", {})
    observers.add(reader)
    assert len(observers) == 1
    observers.discard(reader)
    assert len(observers) == 0
    observers.publish("a", None)
    assert reader.take() == []
