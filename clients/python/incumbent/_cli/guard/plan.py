"""When COMMAND is asked to end and when it is killed. Pure: instants come in, orders go out.

    trust given            a third of it left                 KILL       trust ends
    ├──────────────────────────┼─────────────────────────────────┼──────────┤ until
    COMMAND runs               TERM  ◄── lead: a third, or grace ──►  margin

Instants are seconds of CLOCK_BOOTTIME; durations are seconds.
"""

import math
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import Self

LEAD = 3  # TERM when 1 / LEAD of the trust is left, less if the grace is shorter
MARGIN = 20  # KILL when 1 / MARGIN of the trust is left,
MARGINS = (0.1, 0.5)  # within these bounds
STILL = 10  # an end of trust that moves by less than 1 / STILL of it stands still


class Order(Enum):
    """What COMMAND's process group is to be sent now."""

    NOTHING = "nothing"
    TERM = "term"
    KILL = "kill"


class Cause(StrEnum):
    """Why COMMAND ends, or ended."""

    ITSELF = "itself"
    TRUST = "trust"
    SIGNAL = "signal"  # one that `run` was sent
    ORPHANED = "orphaned"  # `run` is dead
    UNGUARDED = "unguarded"  # the guard is dead


@dataclass(frozen=True, slots=True)
class Plan:
    """How COMMAND ends: not before it has to, and killed before trust ends, whatever comes."""

    grace: float
    until: float  # trust ends
    span: float  # how long trust was when it was last given
    cause: Cause | None = None  # the first one; None while COMMAND may go on
    ask_from: float = math.inf
    kill_from: float = math.inf

    @classmethod
    def given(cls, until: float, grace: float, now: float) -> Self:
        """Make the plan of a COMMAND that starts now."""
        return cls(grace=grace, until=until, span=max(until - now, 0.0))

    @property
    def margin(self) -> float:
        """How long before the end of trust the last process has to be dead."""
        least, most = MARGINS
        return min(max(self.span / MARGIN, least), most)

    @property
    def term_at(self) -> float:
        """Tell the instant from which COMMAND is asked to end."""
        lead = min(self.grace, self.span / LEAD)
        return min(self.ask_from, self.until - self.margin - lead)

    @property
    def kill_at(self) -> float:
        """Tell the instant from which COMMAND is killed."""
        return min(self.kill_from, self.until - self.margin)

    def renewed(self, until: float, now: float) -> Self:
        """Take a new end of trust; -inf when trust is over.

        While the store is silent, answers go on and give less trust each: the same end, but for the
        jitter of the way. The span is what the last true renewal gave.
        """
        if abs(until - self.until) < self.span / STILL:
            return replace(self, until=until)
        return replace(self, until=until, span=max(until - now, 0.0))

    def ending(self, cause: Cause, now: float, *, ask: bool = True) -> Self:
        """COMMAND is to end from now on: killed after the grace. Nothing undoes it.

        With `ask` it is sent TERM; without, it was sent a signal already.
        """
        return replace(
            self,
            cause=self.cause or cause,
            ask_from=min(self.ask_from, now if ask else math.inf),
            kill_from=min(self.kill_from, now + self.grace),
        )

    def order(self, now: float) -> Order:
        """Tell what is to be sent at this instant."""
        if now >= self.kill_at:
            return Order.KILL
        return Order.TERM if now >= self.term_at else Order.NOTHING

    def next_instant(self, now: float) -> float:
        """Tell the instant after now at which the order changes by itself; inf for never."""
        return min((at for at in (self.term_at, self.kill_at) if at > now), default=math.inf)
