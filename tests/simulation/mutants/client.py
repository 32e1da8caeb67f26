"""Bugs of the SDK's pure core."""

from incumbent._state import Candidacy
from tests.simulation.mutants.edit import Edit, mutant

MUTANTS = (
    mutant(
        "trust counted from arrival",
        "trust_for counts from the answer instead of from what it answers",
        Edit(Candidacy, "_lead", "until = sent +", "until = now +"),
    ),
    mutant(
        "trust that ran out comes back",
        "an answer after the end of trust lets it lead again under that token (rule 1)",
        Edit(Candidacy, "held", "self._end(TRUST_EXPIRED)", "self.trusted_until = -math.inf"),
        Edit(Candidacy, "_lead", "self._end(TRUST_EXPIRED)", "self.trusted_until = -math.inf"),
    ),
    mutant(
        "trust never runs out",
        "it leads until it is told otherwise (a flag instead of a clock)",
        Edit(Candidacy, "held", "now >= self.trusted_until and self.trusting", "False"),
        Edit(
            Candidacy,
            "_lead",
            "until = sent + min(told.trust_for or 0.0, self.ttl)",
            "until = math.inf",
        ),
    ),
    mutant(
        "work goes on after the resign",
        "belief ends when the resign is confirmed, not when it is sent (rule 4; client-go#728)",
        Edit(
            Candidacy,
            "resign",
            'self._end("")',
            'until = self.trusted_until; self._end(""); self.trusted_until = until',
        ),
    ),
    mutant(
        "older streams count",
        "an older stream's answer is taken for one of the newest (rule 2)",
        Edit(Candidacy, "heard", "attempt != self.attempt or self.over", "self.over"),
    ),
    mutant(
        "the latest heartbeat counts",
        "an answer extends trust from the last message sent, not from the one it answers",
        Edit(
            Candidacy,
            "heard",
            "self._sent.get(told.sequence, -math.inf)",
            "max(self._sent.values(), default=-math.inf)",
        ),
    ),
    mutant(
        "UNAVAILABLE taken for trust",
        "when its stream ends the client begins its trust anew, as if it had been heard",
        Edit(
            Candidacy,
            "ended",
            "self._fail(now)",
            "self._fail(now)\n        if self.trusting: self.trusted_until = now + self._trust",
        ),
    ),
    mutant(
        "silence is patience",
        "without an answer the client stays where it is until its trust is over (rule 2)",
        Edit(Candidacy, "_late_at", "if not waiting:", "if waiting or not waiting:"),
    ),
)
