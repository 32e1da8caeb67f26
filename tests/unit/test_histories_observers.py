"""Law 4 against Observe streams that break it, each in its own way, and against sound ones."""

import pytest

from tests.histories.events import (
    Closed,
    Event,
    Fault,
    Final,
    Observed,
    Observing,
)
from tests.unit.told import X, believes, broken


def saw(*tokens: int | None, stream: str = "s") -> list[Event]:
    """Tell of an observer, one message a second from 1 on."""
    opened = Observing(0.5, "eye", stream, X)
    return [opened, *(Observed(at, "eye", stream, X, token) for at, token in enumerate(tokens, 1))]


SOUND: dict[str, list[Event]] = {
    "every vacancy told": [*saw(None, 5, None, 6), Final(9, "test", X, 6), believes("b", 6, 1, 10)],
    "the value changed": saw(5, 5),
    "synced after the state": [*saw(None), Observed(2, "eye", "s", synced=True)],
    "an empty prefix": [
        Observing(0, "eye", "s", prefix="team/"),
        Observed(1, "eye", "s", synced=True),
        Final(9, "test", X, None),
    ],
    "another prefix": [
        Observing(0, "eye", "s", prefix="other/"),
        Final(9, "test", X, 6),
        believes("b", 6, 1, 10),
    ],
    "a reader connects anew": [*saw(5), Observing(2, "eye", "s", X), Observed(3, "eye", "s", X, 7)],
    "a reader connects anew to a gateway that is behind": [
        *saw(5),
        Observing(2, "eye", "s", X),
        Observed(3, "eye", "s", X, None),
        Observed(4, "eye", "s", X, 5),
    ],
    "a stream that was closed": [*saw(5), Closed(2, "eye", "s"), Final(9, "test", X, None)],
    "a reader that was killed": [
        *saw(5),
        Fault(2, "nemesis", "kill", "eye"),
        Final(9, "test", X, None),
    ],
    "a reader that was stopped": [
        *saw(5),
        Fault(2, "nemesis", "stop", "eye"),
        Final(9, "test", X, None),
    ],
}

BROKEN: dict[str, tuple[int, str, list[Event]]] = {
    "an observer goes back": (4, "an observer was told #5 after #6", saw(6, None, 5)),
    "an observer goes back by connecting anew": (
        4,
        "an observer was told #5 after #6",
        [*saw(6), Observing(2, "eye", "s", X), Observed(3, "eye", "s", X, 5)],
    ),
    "an observer is told a term that was over": (
        4,
        "an observer was told #6, a vacancy, and #6 again",
        saw(6, None, 6),
    ),
    "vacancy never reported between two terms": (
        4,
        "an observer was told #6 after #5, and no vacancy between",
        saw(5, 6),
    ),
    "vacancy never reported at the beginning": (
        4,
        "an observer of team/x was not told its state before `synced`",
        [*saw(), Observed(1, "eye", "s", synced=True)],
    ),
    "vacancy never reported at the end": (
        4,
        "eye's stream s ends with #5, team/x with a vacancy",
        [*saw(5), Final(9, "test", X, None)],
    ),
    "the last message is not the final state": (
        4,
        "eye's stream s ends with a vacancy, team/x with #6",
        [*saw(5, None), believes("b", 6, 8, 10), Final(9, "test", X, 6)],
    ),
    "a prefix that was never told of the last leader": (
        4,
        "eye's stream s ends with a vacancy, team/x with #6",
        [
            Observing(0, "eye", "s", prefix="team/"),
            believes("b", 6, 8, 10),
            Final(9, "test", X, 6),
        ],
    ),
    "a reader that was stopped and continued": (
        4,
        "eye's stream s ends with #5, team/x with a vacancy",
        [
            *saw(5),
            Fault(2, "nemesis", "stop", "eye"),
            Fault(3, "nemesis", "continue", "eye"),
            Final(9, "test", X, None),
        ],
    ),
}


@pytest.mark.parametrize("events", SOUND.values(), ids=SOUND)
def test_sound(events: list[Event]) -> None:
    assert broken(events) == []


@pytest.mark.parametrize(("law", "says", "events"), BROKEN.values(), ids=BROKEN)
def test_broken(law: int, says: str, events: list[Event]) -> None:
    assert broken(events) == [(law, says)]
