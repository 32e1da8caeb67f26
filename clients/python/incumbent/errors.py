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
    """Anything that this package raises by itself.

    Example:
        >>> try:
        ...     client.verify("docs/errors", -1)
        ... except incumbent.IncumbentError as error:
        ...     print(type(error).__name__)
        InvalidArgument

    """

    def __reduce__(self) -> tuple[object, ...]:
        """Travel whole between processes, whatever a constructor asks for."""
        return _restored, (type(self), self.args, vars(self))


def _restored(
    kind: type[IncumbentError], args: tuple[object, ...], state: dict[str, object]
) -> IncumbentError:
    error = kind.__new__(kind)
    error.args = args
    vars(error).update(state)
    return error


class LeadershipLost(IncumbentError):
    """The term is over, or `Term.guard` found too little time left in it.

    `reason` is the gateway's word (EXPIRED, SUPERSEDED, BACKEND_LOST, RESIGNED), or one of the
    client's own: TRUST_EXPIRED (the clock said so), DISCONNECTED (a RELEASE term's stream broke),
    TOO_LITTLE_TIME (`guard`), CLOSED (left, or the client was closed), FORKED (in a child process).

    Example:
        >>> with client.campaign("docs/lost", ttl=10) as term:
        ...     try:
        ...         term.guard(min_remaining=3_600)
        ...     except incumbent.LeadershipLost as error:
        ...         print(error.token == term.token, error.reason)
        True TOO_LITTLE_TIME

    """

    def __init__(self, election: str, token: int, reason: str) -> None:
        late = reason == "TOO_LITTLE_TIME"
        how = "has too little time left" if late else f"is over: {reason}"
        super().__init__(f"term {token} of election {election!r} {how}")
        self.election = election
        self.token = token
        self.reason = reason


class NotElected(IncumbentError):
    """The campaign ended without leadership. `reason` is the gateway's word, "" if it gave none.

    Example:
        >>> with client.campaign("docs/not-elected"):
        ...     try:
        ...         with client.campaign("docs/not-elected", no_wait=True):
        ...             print("never")
        ...     except incumbent.NotElected as error:
        ...         print(error.reason)
        HELD_BY_ANOTHER

    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class HeldByAnother(NotElected):
    """`no_wait` was asked for, and another leads or waits first.

    Example:
        >>> with client.campaign("docs/held"):
        ...     try:
        ...         with client.campaign("docs/held", no_wait=True):
        ...             print("never")
        ...     except incumbent.HeldByAnother:
        ...         print("another leads")
        another leads

    """


class CampaignTimeout(NotElected, TimeoutError):
    """Somebody else led for all the time that `timeout` gave.

    Example:
        >>> with client.campaign("docs/timeout"):
        ...     try:
        ...         with client.campaign("docs/timeout", timeout=0.1):
        ...             print("never")
        ...     except incumbent.CampaignTimeout as error:
        ...         print(error)
        election 'docs/timeout': not elected in 0.1 s

    """


class Unavailable(IncumbentError):
    """No gateway answered in time. The message says which were tried and what each said.

    Example:
        >>> with incumbent.Client("127.0.0.1:1", timeout=0.2) as nowhere:
        ...     try:
        ...         nowhere.leader("docs/unavailable")
        ...     except incumbent.Unavailable as error:
        ...         print(str(error)[:46])
        no gateway answered within 0.2 s: 127.0.0.1:1:

    """


class Refused(IncumbentError):
    """A gateway refused the request. `status` is the gRPC status, `reason` the gateway's word.

    Example:
        >>> try:
        ...     client.resign("docs/refused", "a-credential-of-nobody-at-all")
        ... except incumbent.Refused as error:
        ...     print(error.status, error.reason)
        FAILED_PRECONDITION NOT_LEADER

    """

    def __init__(self, message: str, status: str, reason: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class InvalidArgument(Refused, ValueError):
    """A gateway refused an argument; the message names the field and says what is allowed.

    Also where the function that is the client's `token` gives what cannot be sent; `reason` is "".

    Example:
        >>> try:
        ...     client.leader("docs//invalid")
        ... except incumbent.InvalidArgument as error:
        ...     print(error.reason, str(error)[:33])
        INVALID_FIELD election must be the name of an e

    """


class Closed(IncumbentError):
    """The client was closed, or was made by the process that this one was forked from.

    So it is, with the cause in its message, where the client's own thread could not begin or died.

    Example:
        >>> with incumbent.Client(address) as closing:
        ...     pass
        >>> try:
        ...     closing.leader("docs/closed")
        ... except incumbent.Closed as error:
        ...     print(error)
        this client is closed

    """
