"""Laws 1 to 3 against histories that break them, each in its own way, and against sound ones."""

import pytest

from tests.histories.events import (
    Called,
    Ended,
    Entered,
    Event,
    Fault,
    Granted,
    Held,
    Observed,
    Returned,
    Stored,
    Trusted,
    Waiting,
)
from tests.unit.told import X, believes, broken, verdict, writes

A_THEN_B: list[Event] = [believes("a", 5, 1, 3), believes("b", 6, 3, 5)]

SOUND: dict[str, list[Event]] = {
    "nothing": [],
    "one after the other": A_THEN_B,
    "other elections count for themselves": [
        believes("a", 5, 1, 9),
        Granted(2, "b", "team/y", 4, 9, guarded=True),
    ],
    "trust extended, then left for another": [
        believes("a", 5, 1, 3),
        Trusted(2, "a", X, 5, 6.0, sent=1.9),
        Ended(4, "a", X, 5, "closed"),
        believes("b", 6, 4, 5),
    ],
    "trust shortened by an enter": [
        believes("a", 5, 1, 9),
        Trusted(2, "a", X, 5, 3.0),
        believes("b", 6, 3, 5),
    ],
    "the sending of a resign ends a belief, whatever comes of it": [
        believes("a", 5, 1, 9),
        Called(3, "a", "bye", "resign", X, 5),
        Returned(3.5, "a", "bye", "unknown"),
        believes("b", 6, 3, 5),
    ],
    "a grant that arrives when its trust is over begins no belief": [
        Entered(0, "a", X),
        believes("b", 6, 2, 4),
        Granted(3, "a", X, 5, 1.5, guarded=True, sent=0.1),
    ],
    "a grant without a guard arrives late": [
        Entered(0, "a", X),
        believes("b", 6, 2, 4),
        Granted(3, "a", X, 5, None, guarded=False),
    ],
    "an observer is faster than the winner": [
        Observed(0.9, "eye", "s", X, 5),
        believes("a", 5, 1, 3),
    ],
    "a token that a caller made up": [
        Called(0, "b", "v", "verify", X, 99),
        Returned(0.5, "b", "v", "failed"),
        believes("a", 5, 1, 3),
    ],
    "a resume by a process that was handed the credential": [
        believes("a", 5, 1, 9),
        Ended(2, "a", X, 5, "handed over"),
        Trusted(3, "b", X, 5, 9.0, sent=2.5),
    ],
    "held to the last moment": [believes("a", 5, 1, 3), Held(3, "a", X, 5, held=True)],
    "not held after the end": [believes("a", 5, 1, 3), Held(4, "a", X, 5, held=False)],
    "a late write refused": [writes(1, "b", 6), writes(2, "a", 5, taken=False)],
    "a write between two terms": [*A_THEN_B, writes(4, "a", 5), writes(5, "b", 6)],
}

BROKEN: dict[str, tuple[int, str, list[Event]]] = {
    "equal token": (1, "#5 was granted twice", [believes("a", 5, 1, 2), believes("b", 5, 3, 4)]),
    "a token that a client had before": (
        1,
        "#5 was granted twice",
        [believes("a", 5, 1, 2), believes("a", 5, 3, 4)],
    ),
    "going back": (
        1,
        "#5 was granted when #6 was known",
        [believes("a", 6, 1, 2), believes("b", 5, 3, 4)],
    ),
    "going back behind what an observer saw": (
        1,
        "#5 was granted when #6 was known",
        [Observed(1, "eye", "s", X, 6), believes("b", 5, 3, 4)],
    ),
    "going back behind what a waiting client was told": (
        1,
        "#5 was granted when #6 was known",
        [Waiting(1, "c", X, 6), believes("b", 5, 3, 4)],
    ),
    "going back without a guard": (
        1,
        "#5 was granted to one that entered when #6 was known",
        [believes("a", 6, 1, 2), Entered(3, "b", X), Granted(4, "b", X, 5, None, guarded=False)],
    ),
    "going back behind a call's answer": (
        1,
        "#5 was granted when #6 was known",
        [
            Called(1, "c", "l", "leader", X),
            Returned(2, "c", "l", "ok", 6),
            believes("b", 5, 3, 4),
        ],
    ),
    "going back in the store": (
        1,
        "the store granted #5 after #6",
        [
            Stored(1, "store", X, 6, "granted"),
            Stored(2, "store", X, 6, "ended"),
            Stored(3, "store", X, 5, "granted"),
        ],
    ),
    "overlap by 1 ms": (
        2,
        "two believers in team/x for 0.001000 s: a under #5, b under #6",
        [believes("a", 5, 1, 3), believes("b", 6, 2.999, 5)],
    ),
    "overlap only by extended trust": (
        2,
        "two believers in team/x for 1.000000 s: a under #5, b under #6",
        [believes("a", 5, 1, 3), Trusted(2, "a", X, 5, 4.0), believes("b", 6, 3, 5)],
    ),
    "overlap only by resumed trust": (
        2,
        "two believers in team/x for 1.000000 s: a under #5, b under #6",
        [believes("a", 5, 1, 3), believes("b", 6, 4, 5), Trusted(4.5, "a", X, 5, 6.0)],
    ),
    "overlap by trust after its own end": (
        2,
        "two believers in team/x for 0.500000 s: a under #5, b under #6",
        [
            believes("a", 5, 1, 3),
            Ended(2, "a", X, 5, "closed"),
            believes("b", 6, 2, 2.5),
            Trusted(2.2, "a", X, 5, 3.0),
        ],
    ),
    "overlap with one that was killed": (
        2,
        "two believers in team/x for 1.000000 s: a under #5, b under #6",
        [believes("a", 5, 1, 4), Fault(2, "nemesis", "kill", "a"), believes("b", 6, 3, 5)],
    ),
    "overlap with one that shortened its trust too late": (
        2,
        "two believers in team/x for 0.500000 s: a under #5, b under #6",
        [believes("a", 5, 1, 9), Trusted(3.5, "a", X, 5, 2.0), believes("b", 6, 3, 5)],
    ),
    "overlap with an earlier one that lasts longest": (
        2,
        "two believers in team/x for 1.000000 s: a under #5, c under #7",
        [believes("a", 5, 1, 9), Granted(2, "b", X, 6, 3, guarded=False), believes("c", 7, 4, 5)],
    ),
    "overlap before the term was ended by hand": (
        2,
        "two believers in team/x for 1.000000 s: a under #5, b under #6",
        [
            believes("a", 5, 1, 9),
            believes("b", 6, 2, 9),
            Fault(3, "nemesis", "record deleted", exempts={X: [5]}),
        ],
    ),
    "two processes under one credential": (
        2,
        "two believers in team/x for 1.000000 s: a under #5, b under #5",
        [believes("a", 5, 1, 3), Trusted(2, "b", X, 5, 4.0)],
    ),
    "a loss by hand told late": (
        2,
        "the loss of #5 by hand was told 0.500000 s too late",
        [
            believes("a", 5, 1, 9),
            Fault(2, "nemesis", "record deleted", exempts={X: [5]}, told_within=1.0),
            Ended(3.5, "a", X, 5, "BACKEND_LOST"),
        ],
    ),
    "held after the end": (
        2,
        "#5 was held 0.500000 s after its belief ended",
        [believes("a", 5, 1, 3), Held(3.5, "a", X, 5, held=True)],
    ),
    "held and never granted": (
        2,
        "#5 was held, and never granted",
        [Held(3.5, "a", X, 5, held=True)],
    ),
    "stale write taken": (
        3,
        "ledger took #5 after #6",
        [writes(1, "a", 5), writes(2, "b", 6), writes(3, "a", 5)],
    ),
    "write by two clients under one token": (
        3,
        "a and b both write under #5",
        [writes(1, "a", 5), writes(2, "b", 5, taken=False)],
    ),
}


@pytest.mark.parametrize("events", SOUND.values(), ids=SOUND)
def test_sound(events: list[Event]) -> None:
    assert broken(events) == []


@pytest.mark.parametrize(("law", "says", "events"), BROKEN.values(), ids=BROKEN)
def test_broken(law: int, says: str, events: list[Event]) -> None:
    assert (law, says) in broken(events)
    assert {found for found, _ in broken(events)} <= {law, 2}


def test_an_overlap_without_a_guard_is_exempt_and_counted() -> None:
    told = verdict(Granted(1, "a", X, 5, None, guarded=False), believes("b", 6, 2, 4))
    assert told.violations == ()
    assert (told.beliefs, told.unguarded, told.by_hand, told.excused_overlaps) == (2, 1, 0, 1)
    assert "all but 1 belief that only the token guards, as under RELEASE: 1 overlap" in str(told)


def test_an_overlap_after_an_end_by_hand_is_exempt_and_counted() -> None:
    told = verdict(
        believes("a", 5, 1, 9),
        Fault(2, "nemesis", "record deleted", exempts={X: [5]}, told_within=1.0),
        believes("b", 6, 2.5, 4),
        Ended(2.9, "a", X, 5, "BACKEND_LOST"),
    )
    assert told.violations == ()
    assert (told.beliefs, told.unguarded, told.by_hand, told.excused_overlaps) == (2, 0, 1, 1)
    assert "all but 1 belief whose term was ended by hand: 1 overlap there," in str(told)


def test_who_is_killed_without_trust_believes_no_more() -> None:
    told = verdict(
        Granted(1, "a", X, 5, None, guarded=False),
        Fault(2, "nemesis", "kill", "a"),
        believes("b", 6, 2.1, 4),
    )
    assert told.excused_overlaps == 0
