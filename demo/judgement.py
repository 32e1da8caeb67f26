"""What must have come about in a run. Pure: what happened goes in, what is wrong comes out."""

from collections.abc import Iterator, Sequence

from demo.ledger import Write
from demo.outcome import Outcome, vacancy
from tests.histories.verdict import Verdict

MARGIN = 2.0  # seconds of slack beyond what is promised, for a busy machine


def lateness(outcome: Outcome, seconds: float) -> float:
    """Measure how far a vacancy of so many seconds is above what is promised; 0 where it is not."""
    return 0.0 if outcome.within is None else max(0.0, seconds - outcome.within)


def complaints(
    outcomes: Sequence[Outcome], writes: Sequence[Write], verdict: Verdict
) -> Iterator[str]:
    """Tell what is wrong, a sentence each. Nothing: the run has shown what it is to show."""
    for outcome in outcomes:
        yield from _about(outcome, vacancy(outcome, writes))
    if verdict.proves_nothing:
        yield f"the history proves nothing: {verdict.proves_nothing}"
    if verdict.violations:
        yield f"violations in the history: {len(verdict.violations)}"
    taken = sum(write.taken for write in writes)
    refused = len(writes) - taken
    if (taken, refused) != (verdict.taken, verdict.refused):
        yield f"the history lacks writes: {taken} were taken, and {refused} refused"
    if not refused:
        yield "the fence refused nothing: nobody has seen it at work"


def _about(outcome: Outcome, seconds: float) -> Iterator[str]:
    title, before, after = outcome.title, outcome.before, outcome.after
    if outcome.within is None and before != after:
        yield f"{title}: {before.candidate} did not keep token {before.token}"
    if outcome.within is not None and after.token <= before.token:
        yield f"{title}: token {after.token} came after token {before.token}"
    limit = (outcome.within or 0.0) + MARGIN
    if seconds > limit:
        yield f"{title}: no write for {seconds:.3f} s, {limit:.3f} s at most were to be"
