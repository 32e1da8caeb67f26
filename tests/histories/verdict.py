"""What there was in a history to judge, and what was broken."""

from dataclasses import dataclass

from tests.histories.events import Fault, Granted, Observed, Observing, Wrote
from tests.histories.history import History
from tests.histories.laws import violations
from tests.histories.laws.beliefs import excused_overlaps
from tests.histories.story import Violation


@dataclass(frozen=True, slots=True)
class Verdict:
    """Counts, and the violations. No violations of nothing is no good news: `proves_nothing`."""

    events: int
    seconds: float  # from the first event to the last
    beliefs: int
    unguarded: int  # beliefs that law 2 leaves out
    by_hand: int  # beliefs that it leaves out from a fault on
    excused_overlaps: int  # beliefs that overlap with an earlier one, and may
    terms: int
    taken: int  # writes
    refused: int
    observers: int  # streams
    operations: int
    open: int  # operations without a certain outcome
    faults: int
    torn: int  # files whose last line was cut off
    violations: tuple[Violation, ...]

    @property
    def proves_nothing(self) -> str:
        """Tell what was not there to be judged; empty if all was."""
        missing = [
            what
            for what, number in (
                ("no client believed", self.beliefs),
                ("no write was taken", self.taken),
            )
            if not number
        ]
        return " and ".join(missing)

    def __str__(self) -> str:
        return (
            f"{_many(self.events, 'event')} in {self.seconds:.3f} s: "
            f"{_many(self.terms, 'term')}, {_many(self.beliefs, 'belief')}, "
            f"{_many(self.taken, 'write')} taken, {self.refused} refused, "
            f"{_many(self.observers, 'observer')}, "
            f"{_many(self.operations, 'operation')} ({self.open} open), "
            f"{_many(self.faults, 'fault')}, {_many(self.torn, 'torn line')}\n"
            f"{self._of_law_2}\n"
            f"violations: {len(self.violations) or 'none'}"
        )

    @property
    def _of_law_2(self) -> str:
        left_out = [
            f"{_many(number, 'belief')} {why}"
            for number, why in (
                (self.unguarded, "that only the token guards, as under RELEASE"),
                (self.by_hand, "whose term was ended by hand"),
            )
            if number
        ]
        law = "law 2, no two believe at one time, is asked of"
        if not left_out:
            return f"{law} every belief"
        overlaps = _many(self.excused_overlaps, "overlap")
        return f"{law} all but {' and '.join(left_out)}: {overlaps} there, which it allows"


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def judge(history: History) -> Verdict:
    """Count what is there, and hold it against every law."""
    events, beliefs = history.events, history.beliefs
    writes = [write.taken for write in history.of(Wrote)]
    streams = {(e.who, e.stream) for e in events if isinstance(e, Observing | Observed)}
    return Verdict(
        events=len(events),
        seconds=events[-1].at - events[0].at if events else 0.0,
        beliefs=len(beliefs),
        unguarded=sum(not belief.guarded for belief in beliefs),
        by_hand=sum(belief.guarded and belief.fault is not None for belief in beliefs),
        excused_overlaps=excused_overlaps(history),
        terms=len({(grant.election, grant.token) for grant in history.of(Granted)}),
        taken=sum(writes),
        refused=len(writes) - sum(writes),
        observers=len(streams),
        operations=len(history.operations),
        open=sum(operation.open for operation in history.operations),
        faults=sum(1 for _ in history.of(Fault)),
        torn=len(history.torn),
        violations=tuple(violations(history)),
    )
