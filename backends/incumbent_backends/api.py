"""The seam between Incumbent and a store: five verbs on one session, and the laws they keep.

A driver owns atomicity, tokens and its session. The core above owns queues, retries, deadlines,
trust and fan-out. Losing is data (a Snapshot), never an exception. Instants are seconds of the
injected Clock and never leave the process. A cancelled verb has an unknown outcome: Unavailable.
"""

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol, Self


class BackendError(Exception):
    """Base of what a verb raises. The text says to operators what to do and holds no secret."""


class Unavailable(BackendError):
    """Outcome unknown (cut off, slow, standby, read-only, no space): the core retries."""


class Rejected(BackendError):
    """Permanent (wrong password, wrong layout, a cap reached) until somebody changes it there."""


class Clock(Protocol):
    def now(self) -> float: ...  # seconds of CLOCK_BOOTTIME
    async def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Options:
    namespace: str  # one name segment; namespaces of one store never see each other
    backend_ttl: timedelta  # how long the store keeps the session after its last renewal
    clock: Clock


class Expiry(Enum):
    LEASE = "lease"  # the store keeps a silent session for its ttl
    SESSION = "session"  # it may end a session as soon as its connection breaks


@dataclass(frozen=True, slots=True)
class Limits:
    """What this store keeps and what it cannot; known before the backend is opened."""

    kind: str  # "sqlite", "etcd", …
    expiry: Expiry
    min_backend_ttl: timedelta
    max_backend_ttl: timedelta
    expiry_factor: float  # others win a silent session's elections after backend_ttl × this …
    expiry_slack: timedelta  # … + this, at the latest
    moves_terms: bool  # a term can pass to another session and keep its token
    survives_gateway: bool  # a term outlives the crash of its gateway by the rest of its ttl
    survives_restart: bool  # terms outlive a restart of the store
    notes: tuple[str, ...] = ()  # sentences for operators: what is not promised here
    granted_ttl: timedelta | None = None  # once open, where it is not the ttl asked for


@dataclass(frozen=True, slots=True)
class Term:
    """One uninterrupted leadership, as the store records it."""

    election: str
    token: int  # > 0, strictly greater for each new term of the election
    holder: str  # SHA-256 of the credential, 64 hexadecimal digits
    attempt: int  # ≥ 1; a move raises it
    candidate: str
    value: bytes
    session: str  # the session that it hangs on
    backend_ttl: timedelta  # the longest that any session of this term was promised
    begin_time: datetime  # aware; for people, nothing is decided by it


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An election as the store had it at one moment; `term` is None when it is vacant."""

    election: str
    version: object  # opaque; equal versions of an election mean an equal state
    term: Term | None


@dataclass(frozen=True, slots=True)
class Claim:
    election: str
    token: int | None  # None: an acquire is under way there, end nothing of this election


@dataclass(frozen=True, slots=True)
class Renewal:
    survivors: frozenset[Claim]  # every term that still hangs on the session
    good_until: float  # when the call that renewed began + the ttl that the store granted


@dataclass(frozen=True, slots=True)
class Synced:
    """Ends the first whole state of a watch."""


class Backend(Protocol):
    """A store, opened as one session: `async with Driver(url, options) as backend`.

    Constructing is offline (Rejected: an unreadable URL). Entering writes by compare-and-swap, or
    checks, the namespace's marker: mechanism and layout version (Rejected, naming both). Leaving
    ends the session only if no live term hangs on it or terms cannot move. A dead session is never
    revived. Entering, leaving and watching have no deadline from the core: bound calls in them.
    """

    @property
    def limits(self) -> Limits: ...
    @property
    def session(self) -> str: ...  # the name that terms acquired now will carry
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exc: object) -> None: ...

    async def renew(self, keep: Collection[Claim]) -> Renewal:
        """Renew the session, and end what hung on it when the call began and `keep` leaves out.

        What is left out is gone within two backend ttls. A term acquired after the call began is
        never ended by it, however late its parts land. Nothing expired is revived, nothing is
        inserted: when the session died, a new one is opened, without terms.
        """

    async def acquire(
        self, election: str, *, holder: str, attempt: int, candidate: str,
        value: bytes | None, resume: int | None = None,
    ) -> Snapshot:  # fmt: skip
        """Try once to lead, never wait; return the election after the attempt.

        Won if and only if the term's holder and session are the caller's. Without `resume` only a
        vacancy is won; one atomic step decides and mints the token, drawn after the row or lock is
        held. A live term of the same holder comes back unchanged: on this session a win (it heals
        an unknown outcome), on another none. With `resume`: only while that very token lives under
        this holder, on this session with the same attempt (a new value) or on any with a greater
        one (it moves here, keeps token, candidate and begin_time), by compare-and-swap on what
        this call read; else nothing changes. `value` None keeps it. A move never shortens: it
        needs a renewal of this session begun after this call, for no less than the term's
        backend_ttl. If not, or if this session is dead: Unavailable.
        """

    async def release(self, term: Term) -> None:
        """End exactly this (election, token, session); gone already: a no-op."""

    async def read(self, election: str) -> Snapshot:
        """Read the election from the store, now. A term whose session is dead is a vacancy."""

    def watch(self) -> AsyncGenerator[Snapshot | Synced, None]:
        """Tell every led election of the namespace, then Synced, then changes.

        The latest state, never a history, compared with what was last told; vacancy, a dead
        session's terms and new names are changes. It ends only by an exception (Unavailable).
        """
