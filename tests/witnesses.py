"""What an SDK's client believes and its work sees, recorded for the history checker."""

import math
from pathlib import Path
from typing import Any

from incumbent import AsyncTerm, Observation, Term, Trust
from tests.histories.reader import read
from tests.histories.recorder import Recorder, now
from tests.histories.verdict import Verdict, judge


class Witness:
    """Records one client, under one name; a client is one candidacy."""

    def __init__(self, folder: Path, who: str) -> None:
        self._recorder = Recorder(folder / f"{who}.jsonl", who)
        self._election = ""
        self._believed: set[int] = set()

    def enters(self, election: str) -> None:
        """To be called before the term is entered."""
        self._election = election
        self._recorder.record("entered", election=election)

    def on_trust(self, change: Trust) -> None:
        """What the campaign is to call."""
        term: dict[str, Any] = {"election": self._election, "token": change.token}
        if change.until == -math.inf:
            self._recorder.record("ended", at=change.at, reason=change.reason or "LEFT", **term)
        elif change.token in self._believed:
            self._recorder.record("trusted", at=change.at, until=change.until, **term)
        else:
            self._believed.add(change.token)
            self._recorder.record("granted", at=change.at, until=change.until, guarded=True, **term)

    def look(self, term: Term | AsyncTerm) -> bool:
        """Whether the work may go on."""
        at, held = now(), term.held
        self._recorder.record("held", at=at, election=term.election, token=term.token, held=held)
        return held

    def observes(self, prefix: str) -> None:
        self._recorder.record("observing", stream="sdk", prefix=prefix)

    def observed(self, told: Observation) -> None:
        self._recorder.record(
            "observed",
            stream="sdk",
            election=told.election or None,
            token=None if told.leader is None else told.leader.token,
            synced=told.synced,
        )

    def fault(self, kind: str, whom: str) -> None:
        self._recorder.record("fault", kind=kind, whom=whom)

    def bound(self, election: str, seconds: float | None) -> None:
        """From now on no vacancy is longer."""
        self._recorder.record("bound", election=election, seconds=seconds)

    def final(self, election: str, token: int | None) -> None:
        self._recorder.record("final", election=election, token=token)

    def close(self) -> None:
        self._recorder.close()


def verdict(folder: Path) -> Verdict:
    """Judge all that was recorded in this folder; a violation is told whole."""
    told = judge(read(sorted(folder.glob("*.jsonl"))))
    print(told)
    assert not told.violations, "\n\n".join(str(each) for each in told.violations[:5])
    return told
