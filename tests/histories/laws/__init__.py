"""The laws that every history must keep, by the numbers of the design's list.

Each is a pure function from a history to its violations. 0 is what the store's own account, where
there is one, and the processes themselves have to say beyond the seven.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from tests.histories.events import Event, Fault
from tests.histories.history import History
from tests.histories.laws.beliefs import one_believer
from tests.histories.laws.observers import observers_are_told
from tests.histories.laws.operations import unknown_stays_open
from tests.histories.laws.progress import no_long_vacancy_and_nothing_left
from tests.histories.laws.register import nothing_stale_is_taken
from tests.histories.laws.resigns import nothing_after_a_resign
from tests.histories.laws.store import the_store_agrees
from tests.histories.laws.tokens import tokens_increase
from tests.histories.story import STORE, Violation

LAWS: Mapping[int, Callable[[History], Iterable[Violation]]] = {
    1: tokens_increase,
    2: one_believer,
    3: nothing_stale_is_taken,
    4: observers_are_told,
    5: nothing_after_a_resign,
    6: unknown_stays_open,
    7: no_long_vacancy_and_nothing_left,
    STORE: the_store_agrees,
}


def violations(history: History) -> list[Violation]:
    """Hold `history` against every law; each violation tells the faults of its time too."""
    faults = list(history.of(Fault))
    found = (violation for law in LAWS.values() for violation in law(history))
    return [replace(each, events=each.events + _during(each.events, faults)) for each in found]


def _during(events: Sequence[Event], faults: Sequence[Fault]) -> tuple[Event, ...]:
    times = [event.at for event in events]
    return tuple(fault for fault in faults if min(times) <= fault.at <= max(times))
