"""The history of one candidate: what the SDK lets it believe, in the words of tests/histories."""

import math
from collections.abc import Callable
from typing import Any

from incumbent import Trust
from tests.histories.recorder import Recorder, now


class Journal:
    """Is told every change of trust (`on_trust` of a campaign) before it can be acted on.

    `guarded`: whether heartbeats alone guard the term, so with KEEP and not with RELEASE. Then
    `tell` is called with the new end of trust.
    """

    def __init__(
        self,
        recorder: Recorder,
        election: str,
        *,
        guarded: bool,
        tell: Callable[[int, float], None],
    ) -> None:
        self._recorder = recorder
        self._election = election
        self._guarded = guarded
        self._tell = tell
        self._token: int | None = None  # of the term that was granted last
        self._resigning: str | None = None  # the resign that has no outcome yet

    def enters(self) -> None:
        """Record that a campaign begins; before it does."""
        self._recorder.record("entered", election=self._election)

    def asks(self, token: int, held: Callable[[], bool]) -> bool:
        """Ask whether the term is held, and record the answer."""
        at = now()
        answer = held()
        self._recorder.record("held", at=at, election=self._election, token=token, held=answer)
        return answer

    def __call__(self, trust: Trust) -> None:
        """Record a change of trust."""
        if trust.until == -math.inf:
            self._over(trust)
            return
        if trust.token == self._token:
            self._record("trusted", now(), trust, until=trust.until)
        else:
            self._token = trust.token
            self._record("granted", trust.at, trust, until=trust.until, guarded=self._guarded)
        self._tell(trust.token, trust.until)

    def _over(self, trust: Trust) -> None:
        if trust.reason:
            self._record("ended", trust.at, trust, reason=trust.reason)
        else:
            self._resigning = f"resign {trust.token}"
            self._record("called", trust.at, trust, op=self._resigning, kind="resign")

    def _record(self, what: str, at: float, trust: Trust, **fields: Any) -> None:
        self._recorder.record(what, at=at, election=self._election, token=trust.token, **fields)

    def left(self, *, current: Callable[[], bool]) -> bool:
        """Record the outcome of a resign; False if there was none, as the term had been lost.

        The SDK does not tell whether a resign was answered, so the store is asked: a token that is
        not `current` any more has been resigned.
        """
        op, self._resigning = self._resigning, None
        if op is not None:
            outcome = "unknown" if current() else "ok"
            self._recorder.record("returned", op=op, outcome=outcome, token=self._token)
        return op is not None
