"""What travels on a Campaign stream, without gRPC."""

from dataclasses import dataclass

from incumbent_backends.api import Term
from incumbent_server.candidacy import Entry, View
from incumbent_server.reasons import Reason

LOST = {Reason.EXPIRED, Reason.SUPERSEDED, Reason.BACKEND_LOST, Reason.RESIGNED}  # ABORTED
ELSEWHERE = {  # UNAVAILABLE
    Reason.GATEWAY_DRAINING,
    Reason.BACKEND_UNAVAILABLE,
    Reason.HELD_BY_OTHER_GATEWAY,
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
    next_heartbeat_in: float


@dataclass(frozen=True, slots=True)
class Over:
    """The status that ends a stream; `reason` None is OK."""

    reason: Reason | None
    view: View | None = None
    term: Term | None = None
