"""The run: everything is started, all events happen, everything ends, the history is judged."""

from collections.abc import Sequence
from pathlib import Path

from demo.events import Event, events
from demo.judgement import MARGIN, complaints
from demo.ledger import Write
from demo.outcome import Outcome
from demo.processes import Failed, Processes
from demo.report import Report
from demo.stage import CANDIDATES, ELECTION, LONG_TTL, SHORT_TTL, Stage
from demo.stores import Store
from incumbent import OnDisconnect
from tests.histories.reader import read
from tests.histories.recorder import Recorder, now
from tests.histories.verdict import judge


def conduct(folder: Path, store: Store, processes: Processes, report: Report) -> None:
    """Run it all, on this store and in this folder. Raises Failed, Interrupted."""
    for name in ("logs", "histories"):
        (folder / name).mkdir()
    stage, planned = Stage(folder, store, processes), events(store)
    try:
        report.does("a gateway and three candidates are started")
        _open(stage)
        outcomes = []
        for number, event in enumerate(planned, 1):
            report.does(f"{number}/{len(planned)}  {event.title}")
            outcomes.append(_play(stage, event))
        report.does("everybody leaves")
        stage.dismiss()
        writes = stage.ledger.writes()
    finally:
        stage.close()
    record_writes(writes, stage.history("ledger"))
    verdict = judge(read(sorted((folder / "histories").iterdir())))
    report.tells(outcomes, writes, verdict)
    if wrong := list(complaints(outcomes, writes, verdict)):
        raise Failed(*wrong)


def _open(stage: Stage) -> None:
    """Start them in the order in which they are to lead: the second one with RELEASE."""
    stage.gateway("gateway-1", port=0)
    stage.candidate(SHORT_TTL)
    stage.succeeded()
    stage.candidate(SHORT_TTL, OnDisconnect.RELEASE)
    stage.queued(1)
    stage.candidate(SHORT_TTL)
    stage.queued()


def _play(stage: Stage, event: Event) -> Outcome:
    before, begin = stage.leader, now()
    if stage.kinds[before.candidate] is not event.to:
        raise Failed(f"{before.candidate} leads, out of turn")
    if event.within is None:
        stage.record("bound", at=begin, election=ELECTION, seconds=0)
    else:
        seconds, above = event.within + MARGIN, before.token
        stage.record("bound", at=begin, election=ELECTION, seconds=seconds, above=above)
    seen = event.do(stage)
    end = now()
    stage.record("bound", at=end, election=ELECTION, seconds=None)
    while len(stage.candidates) < CANDIDATES:
        stage.candidate(LONG_TTL)
    stage.queued()
    return Outcome(event.title, event.within, before, stage.leader, begin, end, seen)


def record_writes(writes: Sequence[Write], path: Path) -> None:
    """Record for the ledger what reached it."""
    recorder = Recorder(path, "ledger")
    for write in writes:
        recorder.record(
            "wrote",
            at=write.at,
            register="ledger",
            election=write.election,
            token=write.token,
            by=write.candidate,
            taken=write.taken,
        )
    recorder.close()
