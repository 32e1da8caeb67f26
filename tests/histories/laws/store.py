"""Law 0, beyond the seven: what the store's account and the processes themselves reveal."""

from collections.abc import Iterator

from tests.histories.events import Broke, Stored
from tests.histories.history import GRAIN, History
from tests.histories.story import STORE, Violation


def the_store_agrees(history: History) -> Iterator[Violation]:
    """0: nobody trusts a term that the store gave up; none is overwritten; nobody saw a break."""
    yield from _trust_outlived_the_term(history)
    live: dict[str, Stored] = {}
    for event in history.of(Stored):
        before = live.get(event.election)
        if event.change == "ended":
            live.pop(event.election, None)
        elif event.change == "granted":
            if before is not None:
                says = f"the store granted #{event.token} over #{before.token}"
                yield Violation(STORE, says, (before, event))
            live[event.election] = event
    for broke in history.of(Broke):
        yield Violation(STORE, broke.says, (broke,))


def _trust_outlived_the_term(history: History) -> Iterator[Violation]:
    ended = {(e.election, e.token): e for e in history.of(Stored) if e.change == "ended"}
    for belief in history.beliefs:
        end = ended.get((belief.election, belief.token))
        if end is None or not belief.guarded or belief.fault is not None:
            continue
        if belief.end > end.at + GRAIN:
            says = f"{belief.who} trusts #{belief.token} {belief.end - end.at:.6f} s past its end"
            yield Violation(STORE, says, (*belief.story, end))
