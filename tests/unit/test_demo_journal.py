"""What a candidate of the demo records of each change of trust that the SDK tells."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.journal import Journal
from incumbent import Trust
from tests.histories.events import Called, Ended, Entered, Event, Granted, Held, Returned, Trusted
from tests.histories.reader import read
from tests.histories.recorder import Recorder, now

X = "demo/ledger"


class Desk:
    """A journal, what it told, and what it recorded."""

    def __init__(self, path: Path, *, guarded: bool = True) -> None:
        self._path = path
        self.told: list[tuple[int, float]] = []
        self.recorder = Recorder(path, "a")
        self.journal = Journal(
            self.recorder, X, guarded=guarded, tell=lambda *told: self.told.append(told)
        )

    def events(self) -> tuple[Event, ...]:
        return read([self._path]).events


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "a.jsonl")
    yield desk
    desk.recorder.close()


def test_a_term_from_its_beginning_to_an_acknowledged_resign(desk: Desk) -> None:
    began = now()
    desk.journal.enters()
    desk.journal(Trust(7, began + 0.5, began + 10))
    desk.journal(Trust(7, began + 0.6, began + 13))
    assert desk.journal.asks(7, lambda: True)
    desk.journal(Trust(7, now(), -math.inf))
    assert desk.journal.left(current=lambda: False)
    kinds = {type(event): event for event in desk.events()}
    assert set(kinds) == {Entered, Granted, Trusted, Held, Called, Returned}
    assert kinds[Granted] == Granted(began + 0.5, "a", X, 7, began + 10, guarded=True)
    assert desk.told == [(7, began + 10), (7, began + 13)]


def test_what_the_store_still_calls_current_is_no_acknowledged_resign(desk: Desk) -> None:
    desk.journal(Trust(7, now(), now() + 10))
    desk.journal(Trust(7, now(), -math.inf))
    assert desk.journal.left(current=lambda: True)
    *_, returned = desk.events()
    assert isinstance(returned, Returned)
    assert returned.outcome == "unknown"


def test_a_loss_is_no_resign(desk: Desk) -> None:
    desk.journal(Trust(7, now(), now() + 10))
    desk.journal(Trust(7, now(), -math.inf, "EXPIRED"))
    assert not desk.journal.left(current=lambda: pytest.fail("nobody resigned"))
    *_, ended = desk.events()
    assert isinstance(ended, Ended)
    assert ended.reason == "EXPIRED"


def test_each_term_is_granted_once(desk: Desk) -> None:
    for token in (7, 7, 9, 9):
        desk.journal(Trust(token, now(), now() + 10))
    whole = [(type(event), getattr(event, "token", None)) for event in desk.events()]
    assert whole == [(Granted, 7), (Trusted, 7), (Granted, 9), (Trusted, 9)]


def test_it_asks_after_it_has_read_the_clock(desk: Desk) -> None:
    asked: list[float] = []

    def held() -> bool:
        asked.append(now())
        return False

    assert not desk.journal.asks(7, held)
    (event,) = desk.events()
    assert event.at <= asked[0]


def test_under_release_nothing_but_the_token_guards(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "b.jsonl", guarded=False)
    desk.journal(Trust(7, now(), now() + 10))
    (granted,) = desk.events()
    desk.recorder.close()
    assert isinstance(granted, Granted)
    assert not granted.guarded
