"""Why the gateway refuses a call or ends a candidacy, in words of the domain.

Nothing here knows gRPC: `errors.py` holds the one table from these reasons to statuses.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Reason(StrEnum):
    """The bare words of the proto enum `ErrorReason`, which says what each one asks of a client."""

    EXPIRED = "EXPIRED"
    SUPERSEDED = "SUPERSEDED"
    BACKEND_LOST = "BACKEND_LOST"
    RESIGNED = "RESIGNED"
    GATEWAY_DRAINING = "GATEWAY_DRAINING"
    BACKEND_UNAVAILABLE = "BACKEND_UNAVAILABLE"
    BACKEND_REJECTED = "BACKEND_REJECTED"
    HELD_BY_ANOTHER = "HELD_BY_ANOTHER"
    HELD_BY_OTHER_GATEWAY = "HELD_BY_OTHER_GATEWAY"
    NOT_LEADER = "NOT_LEADER"
    INVALID_FIELD = "INVALID_FIELD"
    TOO_MANY_STREAMS = "TOO_MANY_STREAMS"
    TOO_MANY_CANDIDATES = "TOO_MANY_CANDIDATES"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"


class Refused(Exception):
    """A call that ends without what it asked for.

    `message` reaches the client: a sentence on what happened, to which election, and what to do. It
    holds no credential and nothing of the inside (SQL, address, path, trace). `metadata` holds its
    dynamic parts under stable names; INVALID_FIELD has `field`. `retry_after` asks the client to
    wait that long; None leaves it to the table in `errors.py`.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        metadata: Mapping[str, str] = MappingProxyType({}),
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.reason: Final = reason
        self.message: Final = message
        self.metadata: Final[Mapping[str, str]] = MappingProxyType(dict(metadata))
        self.retry_after: Final = retry_after

    def __repr__(self) -> str:
        return f"Refused({self.reason}, {self.message!r}, metadata={dict(self.metadata)!r})"


_SENTENCES: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.EXPIRED: "the term or the wait is over: campaign anew with a new credential",
        Reason.SUPERSEDED: "this attempt, or a newer one, already owns the candidacy",
        Reason.BACKEND_LOST: "the store ended the term: campaign anew with a new credential",
        Reason.RESIGNED: "resigned by another call: campaign anew with a new credential",
        Reason.GATEWAY_DRAINING: "this gateway is going down: enter at another one",
        Reason.BACKEND_UNAVAILABLE: "the store does not answer now: try again, or another gateway",
        Reason.BACKEND_REJECTED: "the store refuses this: its operator finds the cause in the log",
        Reason.HELD_BY_ANOTHER: "another candidate leads or waits first, and no_wait was asked for",
        Reason.HELD_BY_OTHER_GATEWAY: (
            "another gateway holds the term, and this one cannot take it: go there"
        ),
        Reason.NOT_LEADER: "this credential neither leads nor waits there",
        Reason.TOO_MANY_CANDIDATES: "too many candidates wait here: try another gateway, or later",
    }
)


def refused(reason: Reason, election: str) -> Refused:
    """Refuse in the usual words what concerns one election."""
    sentence = _SENTENCES.get(reason, str(reason))
    return Refused(reason, f"election {election!r}: {sentence}", metadata={"election": election})
