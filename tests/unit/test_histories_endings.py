"""Laws 5 to 7 and what the store adds: histories that break them in every way, and sound ones."""

import pytest

from tests.histories.events import (
    Bound,
    Broke,
    Called,
    Ended,
    Event,
    Fault,
    Final,
    Granted,
    Left,
    Noted,
    Returned,
    Stored,
    Trusted,
)
from tests.unit.told import X, believes, broken, resigns, verdict

A_LED = [believes("a", 5, 1, 3), *resigns("a", 5, 2, 2.1)]
BY_B = believes("b", 6, 2.5, 9)
IN_THE_STORE = [Stored(0.9, "store", X, 5, "granted"), Stored(2.05, "store", X, 5, "ended")]


SOUND: dict[str, list[Event]] = {
    "resigned, and another leads": [*A_LED, BY_B],
    "a call that was under way when the resign was acknowledged": [
        *A_LED,
        Called(2.05, "c", "v", "verify", X, 5),
        Returned(3, "c", "v", "ok", 5),
    ],
    "a later call that failed": [
        *A_LED,
        Called(3, "c", "v", "verify", X, 5),
        Returned(4, "c", "v", "failed"),
    ],
    "a later call that is open": [*A_LED, Called(3, "c", "p", "proclaim", X, 5)],
    "a later call that nobody knows the outcome of": [
        *A_LED,
        Called(3, "c", "p", "proclaim", X, 5),
        Returned(4, "c", "p", "unknown"),
    ],
    "a resign with an unknown outcome acknowledges nothing": [
        believes("a", 5, 1, 3),
        Called(2, "a", "r", "resign", X, 5),
        Returned(2.5, "a", "r", "unknown"),
        Called(3, "c", "v", "verify", X, 5),
        Returned(4, "c", "v", "ok", 5),
    ],
    "an open resign acknowledges nothing": [
        believes("a", 5, 1, 3),
        Called(2, "a", "r", "resign", X, 5),
        Called(3, "c", "v", "verify", X, 5),
        Returned(4, "c", "v", "ok", 5),
    ],
    "resigned by another, told late": [
        believes("a", 5, 1, 3),
        *resigns("operator", 5, 2, 2.1),
        Trusted(2.2, "a", X, 5, 2.3, sent=2.0),
    ],
    "the store's account": [*IN_THE_STORE, *A_LED],
    "vacant as long as it may be": [
        Bound(0, "test", X, 1.0),
        *A_LED,
        believes("b", 6, 3, 9),
        Bound(9, "test", X, None),
        Noted(99, "test", "end"),
    ],
    "vacant after the bound was lifted": [
        Bound(0, "test", X, 1.0),
        *A_LED,
        Bound(2.2, "test", X, None),
        Noted(99, "test", "end"),
    ],
    "succeeded in time": [
        believes("a", 5, 1, 3),
        Fault(2, "nemesis", "kill", "a"),
        Bound(2, "test", X, 1.5, above=5),
        believes("b", 6, 3.2, 9),
        Noted(9, "test", "end"),
    ],
    "who leads at the end is no ghost": [BY_B, Final(8, "test", X, 6)],
}

BROKEN: dict[str, tuple[int, str, list[Event]]] = {
    "success after an acknowledged resign": (
        5,
        "verify succeeded under #5, which was resigned",
        [*A_LED, Called(3, "c", "v", "verify", X, 5), Returned(4, "c", "v", "ok")],
    ),
    "a read that finds the resigned term": (
        5,
        "leader succeeded under #5, which was resigned",
        [*A_LED, Called(3, "c", "l", "leader", X), Returned(4, "c", "l", "ok", 5)],
    ),
    "a second resign that is acknowledged": (
        5,
        "resign succeeded under #5, which was resigned",
        [*A_LED, Called(3, "c", "r", "resign", X, 5), Returned(4, "c", "r", "ok")],
    ),
    "trust after its own resign": (
        5,
        "#5 was trusted after it was resigned",
        [*A_LED, Trusted(3, "a", X, 5, 4.0)],
    ),
    "trust by an answer to what was sent after another's resign": (
        5,
        "#5 was trusted after it was resigned",
        [
            believes("a", 5, 1, 9),
            *resigns("operator", 5, 2, 2.1),
            Trusted(2.3, "a", X, 5, 9.0, sent=2.2),
        ],
    ),
    "moved in the store after its resign": (
        5,
        "the store has #5 moved after it was resigned",
        [*IN_THE_STORE, *A_LED, Stored(3, "store", X, 5, "moved")],
    ),
    "acknowledged while the store still held it": (
        5,
        "the resign of #5 was acknowledged, and the store still held it",
        [*IN_THE_STORE[:1], *A_LED, Stored(2.2, "store", X, 5, "ended")],
    ),
    "an unknown outcome that was made up later": (
        6,
        "r was unknown, and then ok",
        [
            Called(2, "a", "r", "resign", X, 5),
            Returned(2.5, "a", "r", "unknown"),
            Returned(3, "a", "r", "ok", 5),
        ],
    ),
    "called twice": (
        6,
        "v was called twice",
        [Called(1, "a", "v", "verify", X, 5), Called(2, "a", "v", "verify", X, 5)],
    ),
    "returned and never called": (
        6,
        "v returned, and was never called",
        [Returned(2, "a", "v", "ok")],
    ),
    "vacancy over its bound": (
        7,
        "team/x was vacant for 0.500000 s, at most 0.4 s may be",
        [Bound(0.9, "test", X, 0.4), *A_LED, BY_B, Noted(8, "test", "end")],
    ),
    "vacancy to the end": (
        7,
        "team/x was vacant for 7.000000 s, at most 1.0 s may be",
        [Bound(1, "test", X, 1.0), *A_LED, Noted(9, "test", "end")],
    ),
    "vacancy from the beginning": (
        7,
        "team/x was vacant for 2.000000 s, at most 1.0 s may be",
        [Bound(0.5, "test", X, 1.0), BY_B],
    ),
    "succeeded too late": (
        7,
        "team/x was vacant for 1.600000 s, at most 1.5 s may be",
        [
            believes("a", 5, 1, 3),
            Fault(2, "nemesis", "kill", "a"),
            Bound(2, "test", X, 1.5, above=5),
            believes("b", 6, 3.6, 9),
            Noted(9, "test", "end"),
        ],
    ),
    "vacancy by the store's account": (
        7,
        "team/x was vacant for 1.950000 s, at most 1.0 s may be",
        [Bound(1, "test", X, 1.0), *IN_THE_STORE, Stored(4, "store", X, 6, "granted")],
    ),
    "ghost left behind": (
        7,
        "team/x still has #5, under which nobody leads",
        [*A_LED, Final(9, "test", X, 5)],
    ),
    "ghost of one that was killed without trust": (
        7,
        "team/x still has #5, under which nobody leads",
        [
            Granted(1, "a", X, 5, None, guarded=False),
            Fault(2, "nemesis", "kill", "a"),
            Final(9, "test", X, 5),
        ],
    ),
    "anything left behind": (7, "left behind: session-3", [Left(9, "test", "session-3")]),
    "trust outlives its term in the store": (
        0,
        "a trusts #5 0.950000 s past its end",
        [*IN_THE_STORE, believes("a", 5, 1, 3)],
    ),
    "a term granted over another": (
        0,
        "the store granted #6 over #5",
        [Stored(1, "store", X, 5, "granted"), Stored(2, "store", X, 6, "granted")],
    ),
    "what a process saw by itself": (
        0,
        "told WAITING on a resume",
        [
            Broke(1, "a", "told WAITING on a resume", X, 5),
        ],
    ),
}


@pytest.mark.parametrize("events", SOUND.values(), ids=SOUND)
def test_sound(events: list[Event]) -> None:
    assert broken(events) == []


@pytest.mark.parametrize(("law", "says", "events"), BROKEN.values(), ids=BROKEN)
def test_broken(law: int, says: str, events: list[Event]) -> None:
    assert broken(events) == [(law, says)]


def test_open_operations_are_counted() -> None:
    told = verdict(
        *A_LED,
        Called(3, "c", "1", "verify", X, 5),
        Called(3, "c", "2", "verify", X, 5),
        Returned(4, "c", "2", "unknown"),
    )
    assert (told.operations, told.open) == (3, 2)


def test_an_end_by_hand_excuses_trust_that_outlives_its_term() -> None:
    told = verdict(
        *IN_THE_STORE,
        believes("a", 5, 1, 3),
        Fault(2, "nemesis", "record deleted", exempts={X: [5]}),
        Ended(2.9, "a", X, 5, "BACKEND_LOST"),
    )
    assert told.violations == ()
