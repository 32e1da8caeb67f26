"""Every kind of event: its fields, when it is recorded, and which law reads it.

`at` errs on the safe side: a belief is recorded no later than it began, and no earlier than it
ended. Where a kind says nothing of `at`, it is after what it tells.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

Outcome = Literal["ok", "failed", "unknown"]
Change = Literal["granted", "moved", "updated", "ended"]


@dataclass(frozen=True, slots=True)
class Event:
    """What all events have."""

    what: ClassVar[str]
    at: float  # the instant, in seconds
    who: str  # the process, or the client where one process runs several
    note: str = field(default="", kw_only=True)  # for people


# -- candidacies: recorded by the client ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entered(Event):
    """An `enter` is handed over; `at` is before that.

    Law 1: what is granted under `attempt` 1 was granted after it.
    """

    what = "entered"
    election: str
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Waiting(Event):
    """WAITING arrived; `token` is that of the present leader's term, if the answer names one.

    Law 1: that token had been granted by then.
    """

    what = "waiting"
    election: str
    token: int | None = None


@dataclass(frozen=True, slots=True)
class Granted(Event):
    """The answer arrived by which the client begins to believe; `at` is not after that.

    Once a term: a resume is `trusted`, also when another process makes it. `until`: the end of
    trust; null where none is counted. `guarded`: false where only the token protects, which is so
    without heartbeats, with RELEASE and on session stores; law 2 leaves such a belief out. `sent`:
    the instant before the message was sent that this answers, from which trust counts.
    Laws 1, 2, 5, 7.
    """

    what = "granted"
    election: str
    token: int
    until: float | None
    guarded: bool
    sent: float | None = None


@dataclass(frozen=True, slots=True)
class Trusted(Event):
    """Trust now ends at `until`, later than before (an answer) or earlier (an `enter`, rule 3).

    `at` is after the change. `sent` as in `granted`; null if no answer made the change. Laws 1, 2,
    5, 7.
    """

    what = "trusted"
    election: str
    token: int
    until: float | None
    sent: float | None = None


@dataclass(frozen=True, slots=True)
class Ended(Event):
    """The client itself stopped believing, for `reason`; `at` is after that.

    Not needed where trust ran out. Without it belief goes on to the last `until`: so it does for
    a process that is killed or stopped. Laws 2, 7.
    """

    what = "ended"
    election: str
    token: int
    reason: str


@dataclass(frozen=True, slots=True)
class Held(Event):
    """The work asked whether it still leads; `at` is before it asked. Law 2: not after the end."""

    what = "held"
    election: str
    token: int
    held: bool


# -- fenced registers ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wrote(Event):
    """A write reached a fenced register, which took or refused it.

    The register's process records it, `at` read where it decides, so that the order is its own.
    `by` is the client that wrote. Law 3.
    """

    what = "wrote"
    register: str
    election: str
    token: int
    by: str
    taken: bool


# -- observers -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Observing(Event):
    """An Observe stream is opened, of one `election` or of a `prefix` ("" is all).

    `stream` names it within `who`. Recorded again under the same name, it says that the reader
    connects anew: tokens still never go back, but what happened meanwhile is not told. Law 4.
    """

    what = "observing"
    stream: str
    election: str | None = None
    prefix: str | None = None


@dataclass(frozen=True, slots=True)
class Observed(Event):
    """A message arrived: who leads `election` (`token` null: vacant), or `synced` and no election.

    Law 4; law 1: that token had been granted by then.
    """

    what = "observed"
    stream: str
    election: str | None = None
    token: int | None = None
    synced: bool = False


@dataclass(frozen=True, slots=True)
class Closed(Event):
    """The stream is over: the final state is not asked of it. Law 4."""

    what = "closed"
    stream: str


# -- operations ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Called(Event):
    """An operation is sent; `at` is before that.

    `op` names it within `who`, once in a history; `kind` says what it is: resign, verify,
    proclaim, leader or whatever else. `token`: the term it is about, if the caller knows it. A
    `resign` ends the caller's own belief under that token, law 2: then `at` is after that end.
    Laws 5, 6.
    """

    what = "called"
    op: str
    kind: str
    election: str | None = None
    token: int | None = None


@dataclass(frozen=True, slots=True)
class Returned(Event):
    """The operation's outcome arrived.

    `ok`: it did, or confirmed, what was asked (a verify: the token is current). `failed`: it
    certainly did not. `unknown`: a timeout, a cut; the operation stays open, as one without
    `returned` does. `token`: that of the term which the answer names. Laws 5, 6; law 1: that
    token had been granted by then.
    """

    what = "returned"
    op: str
    outcome: Outcome
    token: int | None = None


# -- the store and the run -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stored(Event):
    """What the store itself did to a term, where that can be known. Laws 0, 1, 5, 7."""

    what = "stored"
    election: str
    token: int
    change: Change


@dataclass(frozen=True, slots=True)
class Fault(Event):
    """Something was broken; `at` is before that.

    `kind`: any word; `kill`, `stop` and `continue` tell of the process `whom`. A fault that ends
    terms in the store by hand names them in `exempts`, tokens by election: from `at` on law 2
    leaves beliefs under them out, and asks, given `told_within`, that these end within so many
    seconds. Laws 1, 2, 4, 7.
    """

    what = "fault"
    kind: str
    whom: str = ""
    exempts: Mapping[str, list[int]] = field(default_factory=dict)
    told_within: float | None = None


@dataclass(frozen=True, slots=True)
class Bound(Event):
    """From `at` on no vacancy of `election` lasts longer than `seconds`; null: as long as it likes.

    It holds until the next one of that election. Terms at or below `above` count as vacancy: so a
    succession is timed from the moment at which the leader was killed. Law 7.
    """

    what = "bound"
    election: str
    seconds: float | None
    above: int | None = None


@dataclass(frozen=True, slots=True)
class Final(Event):
    """The store's last state of `election`: the `token` that it holds, null for vacant.

    Recorded when nothing will change any more, every observer had time to hear of it, and two
    backend ttls have passed since the last client left. Laws 4, 7.
    """

    what = "final"
    election: str
    token: int | None


@dataclass(frozen=True, slots=True)
class Left(Event):
    """Something else was left behind at the end: a session, a queue, a task. Law 7."""

    what = "left"
    thing: str


@dataclass(frozen=True, slots=True)
class Broke(Event):
    """A process saw by itself that something must not be. Law 0."""

    what = "broke"
    says: str
    election: str = ""
    token: int | None = None


@dataclass(frozen=True, slots=True)
class Noted(Event):
    """Anything else worth telling. No law reads it."""

    what = "noted"
    says: str
    election: str = ""
    token: int | None = None


KINDS: Mapping[str, type[Event]] = {
    kind.what: kind
    for kind in (
        *(Entered, Waiting, Granted, Trusted, Ended, Held),
        Wrote,
        *(Observing, Observed, Closed),
        *(Called, Returned),
        *(Stored, Fault, Bound, Final, Left, Broke, Noted),
    )
}
