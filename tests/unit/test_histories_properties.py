"""Any sound history is found sound, and one change of a known kind is always caught."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.histories.events import (
    Bound,
    Called,
    Ended,
    Entered,
    Event,
    Fault,
    Final,
    Granted,
    Held,
    Left,
    Observed,
    Observing,
    Returned,
    Stored,
    Trusted,
    Waiting,
)
from tests.histories.history import History
from tests.histories.verdict import judge
from tests.unit.told import X, believes, resigns, writes

ENDINGS = ("runs out", "ends", "resigns", "is killed")
LATER = 1000.0  # after everything


@dataclass(frozen=True)
class Term:
    who: str
    token: int
    begin: float
    end: float  # of belief
    ending: str

    def events(self) -> list[Event]:
        """Tell all about it, but for what observers see."""
        middle = (self.begin + self.end) / 2
        told: list[Event] = [
            Entered(self.begin - 0.2, self.who, X),
            Waiting(self.begin - 0.1, self.who, X),
            Stored(self.begin - 0.02, "store", X, self.token, "granted"),
            believes(self.who, self.token, self.begin, middle + 0.1),
            writes(middle, self.who, self.token),
            Held(middle, self.who, X, self.token, held=True),
            Called(middle, self.who, f"verify {self.token}", "verify", X, self.token),
            Returned(middle + 0.02, self.who, f"verify {self.token}", "ok", self.token),
            Trusted(middle, self.who, X, self.token, self.end, sent=middle - 0.01),
            Stored(self.end + 0.01, "store", X, self.token, "ended"),
        ]
        match self.ending:
            case "ends":
                told.append(Ended(self.end, self.who, X, self.token, "closed"))
            case "resigns":
                told += resigns(self.who, self.token, self.end, self.end + 0.02)
            case "is killed":
                told.append(Fault(self.end - 0.01, "nemesis", "kill", self.who))
        return told


@dataclass(frozen=True)
class Run:
    terms: list[Term]
    bound: float
    events: list[Event]


@st.composite
def sound_runs(draw: st.DrawFn) -> Run:
    """Draw a run of two terms or more, the first of them resigned."""
    terms: list[Term] = []
    now, token, gaps = 1.0, 1, [0.0]
    seconds = st.floats(0.2, 5)
    for number in range(draw(st.integers(2, 6))):
        gaps.append(draw(seconds))
        token += draw(st.integers(1, 3))
        begin = now + gaps[-1]
        now = begin + draw(seconds)
        ending = draw(st.sampled_from(ENDINGS)) if number else "resigns"
        terms.append(Term(f"client {number}", token, begin, now, ending))
    seen: list[Event] = [
        Observing(0, "eye", "all", prefix=""),
        Observed(0.1, "eye", "all", synced=True),
    ]
    for term in terms:
        seen.append(Observed(term.begin + 0.01, "eye", "all", X, term.token))
        seen.append(Observed(term.end + 0.03, "eye", "all", X, None))
    bound = max(gaps) + 0.1
    around = [
        Bound(1, "test", X, bound),
        Bound(now, "test", X, None),
        Final(LATER, "test", X, None),
    ]
    return Run(terms, bound, [*around, *seen, *(e for term in terms for e in term.events())])


Change = Callable[[Run, int], list[Event]]  # the number chooses where
CHANGES: dict[str, tuple[int, Change]] = {}


def breaks(law: int) -> Callable[[Change], Change]:
    def kept(change: Change) -> Change:
        CHANGES[change.__name__] = law, change
        return change

    return kept


def some(run: Run, place: int) -> tuple[Term, Term]:
    """Choose a term and its successor."""
    place %= len(run.terms) - 1
    return run.terms[place], run.terms[place + 1]


@breaks(1)
def a_token_is_granted_again(run: Run, place: int) -> list[Event]:
    return [*run.events, Granted(LATER, "late", X, some(run, place)[0].token, None, guarded=False)]


@breaks(1)
def a_lower_token_is_granted(run: Run, place: int) -> list[Event]:
    return [*run.events, believes("late", some(run, place)[1].token - 1, LATER, LATER + 1)]


@breaks(1)
def the_store_grants_a_lower_token(run: Run, place: int) -> list[Event]:
    return [*run.events, Stored(LATER, "store", X, some(run, place)[0].token, "granted")]


@breaks(2)
def another_believes_meanwhile(run: Run, place: int) -> list[Event]:
    term = some(run, place)[0]
    return [*run.events, believes("other", 99, term.end - 0.001, term.end)]


@breaks(2)
def trust_is_resumed(run: Run, place: int) -> list[Event]:
    term, successor = some(run, place)
    return [*run.events, Trusted(successor.begin, term.who, X, term.token, successor.begin + 0.001)]


@breaks(2)
def the_work_goes_on(run: Run, place: int) -> list[Event]:
    term = some(run, place)[0]
    return [*run.events, Held(term.end + 0.001, term.who, X, term.token, held=True)]


@breaks(3)
def a_stale_write_is_taken(run: Run, place: int) -> list[Event]:
    term = some(run, place)[0]
    return [*run.events, writes(LATER, term.who, term.token)]


@breaks(3)
def two_write_under_one_token(run: Run, place: int) -> list[Event]:
    return [*run.events, writes(LATER, "other", some(run, place)[0].token)]


@breaks(4)
def an_observer_goes_back(run: Run, place: int) -> list[Event]:
    return [*run.events, Observed(LATER, "eye", "all", X, some(run, place)[0].token)]


@breaks(4)
def a_vacancy_is_not_told(run: Run, place: int) -> list[Event]:
    at = some(run, place)[0].end + 0.03
    return [event for event in run.events if not (isinstance(event, Observed) and event.at == at)]


@breaks(4)
def the_last_message_is_not_told(run: Run, _: int) -> list[Event]:
    at = run.terms[-1].end + 0.03
    return [event for event in run.events if not (isinstance(event, Observed) and event.at == at)]


@breaks(5)
def something_succeeds_after_a_resign(run: Run, _: int) -> list[Event]:
    token = run.terms[0].token
    call = Called(LATER, "other", "late", "proclaim", X, token)
    return [*run.events, call, Returned(LATER, "other", "late", "ok")]


@breaks(5)
def the_store_has_it_after_a_resign(run: Run, _: int) -> list[Event]:
    return [*run.events, Stored(LATER, "store", X, run.terms[0].token, "moved")]


@breaks(6)
def an_operation_returns_again(run: Run, place: int) -> list[Event]:
    term = some(run, place)[0]
    return [*run.events, Returned(LATER, term.who, f"verify {term.token}", "unknown")]


@breaks(7)
def a_vacancy_is_too_long(run: Run, place: int) -> list[Event]:
    """All that comes after a term comes later."""
    since, delay = some(run, place)[0].end + 0.1, run.bound + 0.1
    later: list[Event] = []
    for event in run.events:
        delayed = replace(event, at=event.at + delay) if event.at > since else event
        if isinstance(delayed, Granted | Trusted) and delayed is not event:
            assert delayed.until is not None
            delayed = replace(delayed, until=delayed.until + delay, sent=None)
        later.append(delayed)
    return later


@breaks(7)
def a_ghost_is_left(run: Run, place: int) -> list[Event]:
    return [*run.events, Final(LATER, "test", X, some(run, place)[0].token)]


@breaks(7)
def something_is_left(run: Run, _: int) -> list[Event]:
    return [*run.events, Left(LATER, "test", "a queue")]


@breaks(0)
def the_store_gives_up_a_trusted_term(run: Run, place: int) -> list[Event]:
    term = some(run, place)[0]
    events = [event for event in run.events if event.at != term.end + 0.01]
    return [*events, Stored(term.end - 0.001, "store", X, term.token, "ended")]


# However slow the machine: time is no matter of these tests.
PATIENT = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@PATIENT
@given(sound_runs())
def test_a_sound_history_is_found_sound(run: Run) -> None:
    verdict = judge(History(run.events))
    assert verdict.violations == ()
    assert verdict.beliefs == verdict.terms == verdict.taken == len(run.terms)
    assert verdict.proves_nothing == ""


@pytest.mark.parametrize("name", CHANGES)
@PATIENT
@given(run=sound_runs(), place=st.integers(0, 9))
def test_one_change_is_always_caught(name: str, run: Run, place: int) -> None:
    law, change = CHANGES[name]
    assert law in {violation.law for violation in judge(History(change(run, place))).violations}
