"""The values that go into this package's calls and come out of them."""

import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class OnDisconnect(StrEnum):
    """What becomes of a term when its connection breaks.

    Example:
        >>> release = incumbent.OnDisconnect.RELEASE
        >>> with client.campaign("docs/release", on_disconnect=release) as term:
        ...     print(term.held)
        True

    """

    KEEP = "keep"
    """It stays until `ttl` has run out; the client resumes it, on any gateway. The default."""

    RELEASE = "release"
    """It ends at once, so that a process that dies is succeeded in milliseconds.

    What lies between client and gateway can break a connection while the client still runs: in
    that moment only the token protects.
    """


class Expiry(StrEnum):
    """By what the store ends the terms of a silent gateway.

    Example:
        >>> client.backend().expiry is incumbent.Expiry.LEASE
        True

    """

    LEASE = "lease"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Tls:
    """How to speak TLS. All parts are optional; contents, not paths, in PEM, else ValueError.

    Example:
        >>> client = incumbent.Client("gateway.example.org:7400", tls=incumbent.Tls())
        >>> incumbent.Client("gw.example.org:7400")
        Traceback (most recent call last):
        ValueError: gateway gw.example.org:7400 is on another host: choose TLS or allow plaintext

    """

    ca: bytes | None = None
    """The certificates that sign gateways. None: those that gRPC brings."""

    certificate: bytes | None = None
    """The client's own certificate chain, with `key`."""

    key: bytes | None = field(default=None, repr=False)
    """The private key of `certificate`."""

    server_name: str | None = None
    """The name to be found in the gateway's certificate, where it is not that of the address."""

    def __post_init__(self) -> None:
        """Refuse half a pair, and what is no PEM. Raises ValueError."""
        if (self.certificate is None) != (self.key is None):
            raise ValueError("tls: certificate and key go together")
        for name, content in (("ca", self.ca), ("certificate", self.certificate)):
            if content is not None and not _is_pem(content, rb"(?:X509 |TRUSTED )?CERTIFICATE"):
                raise ValueError(f"tls: {name} must be the bytes of certificates in PEM")
        if self.key is not None and not _is_pem(self.key, rb"(?!ENCRYPTED)[A-Z ]*PRIVATE KEY"):
            raise ValueError("tls: key must be the bytes of a private key in PEM, not encrypted")
        if not (self.server_name is None or isinstance(self.server_name, str)):
            raise ValueError("tls: server_name must be a str")


def _is_pem(content: object, label: bytes) -> bool:
    """Whether there is something under this label, and all that is so is base64."""
    if not isinstance(content, bytes):
        return False
    found = re.findall(b"-----BEGIN " + label + b"-----(.*?)-----END ", content, re.DOTALL)
    try:
        return bool(found) and all(b64decode(b"".join(b.split()), validate=True) for b in found)
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Leader:
    """Who leads an election, as a gateway read it.

    Example:
        >>> with client.campaign("docs/leads", candidate="node-a", value=b"10.0.0.7:80"):
        ...     leader = client.leader("docs/leads")
        ...     print(leader.candidate, leader.value, leader.token > 0)
        node-a b'10.0.0.7:80' True

    """

    election: str
    token: int
    """The fencing token of the term, greater than that of every earlier term."""
    candidate: str
    """The leader's label. It is no identity."""
    value: bytes
    """What the leader proclaims, such as its address."""
    begin_time: datetime
    """When the term began, by its gateway's wall clock, in UTC. For people."""


@dataclass(frozen=True, slots=True)
class Trust:
    """A change of trust, as `on_trust` of a campaign is told it: begun, moved, or over.

    A beginning is told before the body runs, an end before the resign is sent. So what is handed on
    here, to a journal or a watchdog, covers all that this process may believe.

    Example:
        >>> told = []
        >>> with client.campaign("docs/trust", on_trust=told.append) as term:
        ...     print(told[-1].token == term.token, told[-1].until == term.until)
        True True
        >>> told[-1].until
        -inf

    """

    token: int
    at: float
    """The instant of the change in seconds of CLOCK_BOOTTIME: not after a beginning or a move, not
    before an end."""
    until: float
    """The instant at which trust ends now; -inf: it is over."""
    reason: str = ""
    """Why it is over, as in LeadershipLost; "" where it runs, and where the term was left."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One message of `observe`: the latest state of an election, or the mark that all was told.

    Example:
        >>> next(client.observe("docs/observation"))
        Observation(election='docs/observation', leader=None, synced=False)

    """

    election: str
    leader: Leader | None
    """Who leads. None: the election is vacant."""
    synced: bool = False
    """True in the one message, with an empty `election`, that ends the first whole state."""


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a token is that of the present term. True in a condition if it is.

    Example:
        >>> with client.campaign("docs/verification") as term:
        ...     if client.verify("docs/verification", term.token):
        ...         print("current")
        current

    """

    current: bool
    leader: Leader | None
    """Who leads, by whatever token. None: the election is vacant."""

    def __bool__(self) -> bool:
        """Tell whether the token is current."""
        return self.current


@dataclass(frozen=True, slots=True)
class Election:
    """An election that is led or contended.

    Example:
        >>> with client.campaign("docs/election/a", candidate="node-a"):
        ...     for each in client.elections("docs/election/"):
        ...         print(each.election, each.leader.candidate, each.waiting)
        docs/election/a node-a 0

    """

    election: str
    leader: Leader | None
    waiting: int
    """How many candidates wait on the gateway that answered."""


@dataclass(frozen=True, slots=True)
class Backend:
    """The store behind the gateways, and what it promises.

    Example:
        >>> backend = client.backend()
        >>> backend.kind, backend.survives_gateway
        ('sqlite', True)

    """

    kind: str
    expiry: Expiry
    min_backend_ttl: timedelta
    max_backend_ttl: timedelta
    backend_ttl: timedelta
    """How long the store keeps the terms of the gateway that answered when that falls silent."""
    failover_client_crash: timedelta
    """Worst case, with KEEP and the default ttl."""
    failover_gateway_crash: timedelta
    """Worst case, where the leader does not resume elsewhere."""
    survives_gateway: bool
    survives_restart: bool
    notes: Sequence[str]
