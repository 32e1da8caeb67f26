"""What the elector does, as log lines and metrics."""

from incumbent_backends.api import Rejected, Term
from incumbent_server.reasons import Reason
from incumbent_server.session import Standing
from incumbent_server.telemetry import Beginning, Metrics, Outcome, Verb, logger

log = logger("incumbent.elector")

REPEAT = 10.0  # seconds before the same trouble is worth another line


class Reporter:
    """The elector's witness."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._troubles: dict[str, float] = {}

    def won(self, term: Term, *, resumed: bool) -> None:
        how: Beginning = "resumed" if resumed else "won"
        self._metrics.term_begun(how)
        log.info(
            "leads", election=term.election, token=term.token, candidate=term.candidate, how=how
        )

    def gone(self, term: Term, reason: Reason | None) -> None:
        outcome = "disconnected" if reason is None else reason.lower()
        self._metrics.term_ended(outcome)
        log.info(
            "leads no longer",
            election=term.election,
            token=term.token,
            candidate=term.candidate,
            outcome=outcome,
        )

    def standing(self, standing: Standing) -> None:
        tell = log.info if standing is Standing.SOUND else log.warning
        tell("session", standing=standing.value)

    def called(self, verb: Verb, outcome: Outcome, seconds: float) -> None:
        self._metrics.store_called(verb, outcome, seconds)

    def trouble(self, verb: Verb, error: Exception, now: float) -> None:
        """Tell a trouble when it is new, and again only every so often."""
        text = f"{verb}: {error}"
        if now - self._troubles.get(text, -REPEAT) < REPEAT:
            return
        self._troubles = {each: at for each, at in self._troubles.items() if now - at < REPEAT}
        self._troubles[text] = now
        kind = "rejected" if isinstance(error, Rejected) else "unavailable"
        log.warning("store trouble", verb=verb, kind=kind, error=str(error))
