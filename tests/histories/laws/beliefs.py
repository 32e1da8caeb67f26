"""Law 2: belief intervals of two clients never overlap.

Left out, and counted by the verdict: beliefs that nothing but the token guards, and from the fault
on those whose terms were ended in the store by hand.
"""

from collections.abc import Callable, Iterator

from tests.histories.beliefs import Belief
from tests.histories.events import Held
from tests.histories.history import GRAIN, History
from tests.histories.story import Violation


def one_believer(history: History) -> Iterator[Violation]:
    """2: no two clients believe at one time; the work believes no longer than its client."""
    for first, second in _overlaps(history, _judged_until):
        seconds = min(first.judged_until, second.judged_until) - second.begin
        says = (
            f"two believers in {first.election} for {seconds:.6f} s: "
            f"{first.who} under #{first.token}, {second.who} under #{second.token}"
        )
        yield Violation(2, says, first.story + second.story)
    yield from _told_late(history)
    yield from _held_after_the_end(history)


def excused_overlaps(history: History) -> int:
    """Count the beliefs that overlap with an earlier one, and may."""
    overlaps = sum(1 for _ in _overlaps(history, lambda belief: belief.end))
    return overlaps - sum(1 for _ in _overlaps(history, _judged_until))


def _judged_until(belief: Belief) -> float:
    return belief.judged_until


def _overlaps(
    history: History, until: Callable[[Belief], float]
) -> Iterator[tuple[Belief, Belief]]:
    """Go through the beliefs that begin before an earlier one ends, each with the longest such."""
    longest: dict[str, Belief] = {}
    for belief in history.beliefs:
        if until(belief) <= belief.begin:
            continue
        earlier = longest.get(belief.election)
        if earlier is not None and belief.begin < until(earlier) - GRAIN:
            yield earlier, belief
        if earlier is None or until(belief) > until(earlier):
            longest[belief.election] = belief


def _told_late(history: History) -> Iterator[Violation]:
    for belief in history.beliefs:
        fault = belief.fault
        if fault is None or fault.told_within is None:
            continue
        late = belief.end - (fault.at + fault.told_within)
        if late > GRAIN:
            says = f"the loss of #{belief.token} by hand was told {late:.6f} s too late"
            yield Violation(2, says, (fault, *belief.story))


def _held_after_the_end(history: History) -> Iterator[Violation]:
    beliefs = {(each.who, each.election, each.token): each for each in history.beliefs}
    for check in history.of(Held):
        if not check.held:
            continue
        belief = beliefs.get((check.who, check.election, check.token))
        if belief is None:
            yield Violation(2, f"#{check.token} was held, and never granted", (check,))
        elif check.at > belief.end + GRAIN:
            says = f"#{check.token} was held {check.at - belief.end:.6f} s after its belief ended"
            yield Violation(2, says, (*belief.story, check))
