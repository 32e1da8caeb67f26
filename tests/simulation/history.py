"""What happens in a run, recorded as the events of `tests.histories`, in virtual seconds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec

from tests.histories import history, verdict
from tests.histories.events import Event, Noted
from tests.simulation.loop import SimLoop

P = ParamSpec("P")


@dataclass(slots=True)
class History:
    loop: SimLoop
    events: list[Event] = field(default_factory=list)
    closed: bool = False

    def record(
        self, kind: Callable[Concatenate[float, P], Event], *args: P.args, **fields: P.kwargs
    ) -> None:
        """Record an event of this kind now; its arguments are those after `at`."""
        if not self.closed:
            self.events.append(kind(self.loop.time(), *args, **fields))

    def note(
        self,
        who: str,
        says: str,
        election: str = "",
        token: int | None = None,
        detail: str = "",
    ) -> None:
        """Record what no law reads, for the story."""
        self.record(Noted, who, says, election, token, note=detail)

    def judge(self) -> verdict.Verdict:
        """Hold what was recorded against the laws."""
        return verdict.judge(history.History(self.events))

    def fingerprint(self) -> tuple[str, ...]:
        return tuple(map(repr, self.events))
