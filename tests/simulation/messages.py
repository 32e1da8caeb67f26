"""What travels on a Campaign stream, without gRPC; and how the SDK reads it."""

from dataclasses import dataclass

from incumbent._state import Heard, Phase
from incumbent_backends.api import Term
from incumbent_server.candidacy import Entry, State, View
from incumbent_server.errors import status_code
from incumbent_server.reasons import Reason

_PHASES = {
    State.WAITING: Phase.WAITING,
    State.LEADING: Phase.LEADING,
    State.JEOPARDY: Phase.JEOPARDY,
    State.LOST: Phase.OVER,
}


@dataclass(frozen=True, slots=True)
class Enter:
    election: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Heartbeat:
    sequence: int


@dataclass(frozen=True, slots=True)
class Proclaim:
    value: bytes


@dataclass(frozen=True, slots=True)
class Resign:
    pass


@dataclass(frozen=True, slots=True)
class UnaryResign:
    """The RPC of its own: the only message of its stream."""

    election: str
    holder: str


@dataclass(frozen=True, slots=True)
class Present:
    view: View
    next_heartbeat_in: float | None

    @property
    def waits(self) -> bool:
        return self.view.state is State.WAITING


@dataclass(frozen=True, slots=True)
class Over:
    """The status that ends a stream; `reason` None is OK."""

    reason: Reason | None
    view: View | None = None
    term: Term | None = None

    @property
    def elsewhere(self) -> bool:
        """Whether another gateway may do what this one could not."""
        return status(self.reason) == "UNAVAILABLE"


def status(reason: Reason | None) -> str:
    """Name the gRPC status that carries `reason`."""
    return "OK" if reason is None else status_code(reason).name


def heard(message: Present) -> Heard:
    """Read a message as `incumbent._wire` does."""
    view = message.view
    return Heard(
        phase=_PHASES[view.state],
        token=0 if view.term is None else view.term.token,
        sequence=view.sequence,
        trust_for=view.trust,
        next_heartbeat_in=message.next_heartbeat_in,
        reason="" if view.reason is None else str(view.reason),
    )


def nonsense(view: View, holder: str, resumes: int | None) -> str:
    """Say what `holder` is told and may never be, on a stream that resumes that token."""
    if view.state is State.WAITING:
        return "" if resumes is None else "told WAITING on a resume"
    if view.state is State.LOST or view.term is None:
        return ""
    if view.term.holder != holder:
        return f"told to lead as {view.term.holder}"
    if resumes not in (None, view.term.token):
        return f"told to lead under #{view.term.token} on a resume of #{resumes}"
    return ""
