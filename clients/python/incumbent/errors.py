"""What this package raises.

    IncumbentError
    ├── LeadershipLost              the term is over, or has too little time left (guard)
    ├── NotElected                  the campaign ended without leadership
    │   ├── HeldByAnother           no_wait, and another leads or waits first
    │   └── CampaignTimeout         it took longer than `timeout`; also a TimeoutError
    ├── Unavailable                 no gateway answered in time
    ├── Refused                     a gateway refused the request; `status`, `reason`
    │   └── InvalidArgument         an argument is not as it must be; also a ValueError
    └── Closed                      the client is closed, or belongs to this process's parent

Branch on the type, or on `reason`, never on the text. An argument that is wrong on its face is a
plain ValueError.
"""


class IncumbentError(Exception):
    """Anything that this package raises by itself."""


class LeadershipLost(IncumbentError):
    """The term is over, or `Term.guard` found too little time left in it.

    `reason` is the gateway's word (EXPIRED, SUPERSEDED, BACKEND_LOST, RESIGNED), or one of the
    client's own: TRUST_EXPIRED (the clock said so), DISCONNECTED (a RELEASE term's stream broke),
    TOO_LITTLE_TIME (`guard`), CLOSED (left, or the client was closed), FORKED (in a child process).
    """

    def __init__(self, election: str, token: int, reason: str) -> None:
        super().__init__(f"term {token} of election {election!r} is over: {reason}")
        self.election = election
        self.token = token
        self.reason = reason


class NotElected(IncumbentError):
    """The campaign ended without leadership. `reason` is the gateway's word, "" if it gave none."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class HeldByAnother(NotElected):
    """`no_wait` was asked for, and another leads or waits first."""


class CampaignTimeout(NotElected, TimeoutError):
    """Somebody else led for all the time that `timeout` gave."""


class Unavailable(IncumbentError):
    """No gateway answered in time. The message says which were tried and what each said."""


class Refused(IncumbentError):
    """A gateway refused the request. `status` is the gRPC status, `reason` the gateway's word."""

    def __init__(self, message: str, status: str, reason: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class InvalidArgument(Refused, ValueError):
    """A gateway refused an argument; the message names the field and says what is allowed."""


class Closed(IncumbentError):
    """The client was closed, or was made by the process that this one was forked from."""
