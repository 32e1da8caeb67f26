"""One Campaign stream and one waiting Resign, as the elector knows them: without gRPC."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from incumbent_server.candidacy import Answer, Candidacy, End, View
from incumbent_server.reasons import Reason, Refused

if TYPE_CHECKING:
    from incumbent_server.ballot import Ballot
    from incumbent_server.elector import Elector


class Campaign:
    """A stream that entered. `changed` is called when there is something new to send.

    What is to be sent is made when it is sent: `ending` if it is set, else `view()`.
    """

    __slots__ = ("_ballot", "_candidacy", "_changed", "_elector", "ending")

    def __init__(self, elector: "Elector", changed: Callable[[], None]) -> None:
        self._elector = elector
        self._changed = changed
        self._ballot: Ballot | None = None
        self._candidacy: Candidacy | None = None
        self.ending: End | None = None

    def admitted(self, ballot: "Ballot", candidacy: Candidacy | None) -> None:
        self._ballot, self._candidacy = ballot, candidacy

    def tell(self) -> None:
        if self.ending is None:
            self._changed()

    def finish(self, end: End) -> None:
        if self.ending is None:
            self.ending = end
            self._changed()

    def view(self) -> View | None:
        """Tell the whole present state; None while there is none to tell."""
        if self._owned() is None or self._ballot is None or self._candidacy is None:
            return None
        return self._elector.view(self._ballot, self._candidacy)

    def next_heartbeat_in(self) -> float:
        """Seconds, with jitter, after which the next heartbeat is asked for."""
        assert self._candidacy is not None
        return self._elector.pace(self._candidacy.entry.ttl)

    def heartbeat(self, sequence: int) -> Answer | None:
        """Count heartbeat `sequence` as read now; None where `view()` is the answer."""
        candidacy = self._owned()
        if candidacy is None or self._ballot is None:
            return None
        return self._elector.heartbeat(self._ballot, candidacy, sequence)

    def proclaim(self, value: bytes) -> None:
        """Publish a new value; Refused (NOT_LEADER) unless this stream leads."""
        candidacy = self._owned()
        if candidacy is None or self._ballot is None:
            return
        if not self._elector.proclaim(self._ballot, candidacy, value):
            raise Refused(
                Reason.NOT_LEADER,
                f"election {self._ballot.election!r} is not led by this stream: "
                "proclaim only while the state is STATE_LEADING",
                metadata={"election": self._ballot.election},
            )

    def resign(self) -> None:
        """Leave; the stream ends OK once the store has confirmed it."""
        candidacy = self._owned()
        if candidacy is not None and self._ballot is not None:
            self._elector.resign_stream(self._ballot, candidacy, self)

    def broken(self) -> None:
        """The stream is gone, without a resign."""
        if self._candidacy is not None and self._ballot is not None:
            self._elector.disconnected(self._ballot, self._candidacy, self)

    def _owned(self) -> Candidacy | None:
        """The candidacy, unless a newer stream has taken it over or it has ended."""
        candidacy = self._candidacy
        return candidacy if candidacy is not None and candidacy.stream is self else None


class Resignation:
    """Somebody who waits for a term to end: a unary Resign."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done: asyncio.Future[End] = asyncio.get_running_loop().create_future()

    def tell(self) -> None:
        pass  # it waits for the end only

    def finish(self, end: End) -> None:
        if not self.done.done():
            self.done.set_result(end)
