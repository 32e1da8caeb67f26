"""Bugs of a driver, on the model of the store: each breaks a law of the seam."""

from incumbent_backends.memory import Memory
from incumbent_backends.memory_store import Space
from tests.simulation.mutants.edit import Edit, mutant
from tests.simulation.register import Register

MUTANTS = (
    mutant(
        "fence off",
        "the register takes a paused leader's write after one of its successor",
        Edit(Register, "_arrive", "token >= self._highest.get(election, 0)", "True"),
    ),
    mutant(
        "dead session revived",
        "a renewal inserts what has expired: session and terms come back (openbao#2100)",
        Edit(
            Memory,
            "renew",
            "step = partial(self._renew, self._session, unwanted)",
            "name, terms = self._session, self._space.hanging_on(self._session)\n"
            "    def step():\n"
            "        if name not in self._space.sessions:\n"
            "            ttl = self._options.backend_ttl\n"
            "            self._space.sessions[name] = SessionRow(0, ttl)\n"
            "            for term in terms:\n"
            "                self._space.put(term)\n"
            "        return self._renew(name, unwanted)",
        ),
    ),
    mutant(
        "release not scoped to its session",
        "a release that stalled lands after the term moved away, and ends it there",
        Edit(
            Memory,
            "_release",
            "(present.token, present.session) == (term.token, term.session)",
            "present.token == term.token",
        ),
    ),
    mutant(
        "release not scoped to its token",
        "a release that comes late ends the term of a successor on the same session",
        Edit(
            Memory,
            "_release",
            "(present.token, present.session) == (term.token, term.session)",
            "present.session == term.session",
        ),
    ),
    mutant(
        "move without a fresh renewal",
        "a resume onto a session renewed longer ago shortens the term",
        Edit(
            Memory,
            "_resume",
            "self._space.renew_session(bid.session, at_least=term.backend_ttl)",
            "term.backend_ttl",
        ),
    ),
    mutant(
        "attempts ignored by the store",
        "a stale gateway takes a term back from where its client went",
        Edit(Memory, "_may_pass", "self._moves and bid.attempt > term.attempt", "self._moves"),
    ),
    mutant(
        "token drawn before the lock",
        "an earlier winner can get the higher number",
        Edit(Memory, "acquire", "token=0,", "token=self._space.mint(),"),
        Edit(Memory, "_win", "token=self._space.mint(), ", ""),
    ),
    mutant(
        "resume after an intervening term",
        "a resume of a term that is over brings its token back",
        Edit(
            Memory,
            "_resume",
            "term = self._space.term(bid.election)",
            "term = self._space.term(bid.election) or replace(bid, token=token, attempt=0)",
        ),
    ),
    mutant(
        "wins over a living term",
        "a bid takes what is led (an upsert without a condition)",
        Edit(Memory, "_win", "self._space.term(bid.election) is None", "True"),
    ),
    mutant(
        "wins on a dead session",
        "an acquire succeeds though its session has ended (etcd#11007, #12334)",
        Edit(
            Memory,
            "_win",
            "self._living(bid.session)",
            "self._space.sessions.get(bid.session) or SessionRow(0, bid.backend_ttl)",
        ),
    ),
    mutant(
        "row deleted on resign",
        "the token counter is forgotten with the record (synapse-ce#437)",
        Edit(Memory, "_win", "self._space.mint()", "1"),
    ),
    mutant(
        "session ended too early",
        "silence is counted to less than the ttl that the session was granted",
        Edit(
            Memory,
            "_end_silent_sessions",
            "* PATIENCE",
            "* 0.95",
        ),
    ),
    mutant(
        "expiry without compare-and-swap",
        "a session that was renewed meanwhile is ended all the same",
        Edit(Memory, "_end_silent_sessions", "name, row.renewals)\n", "name)\n"),
    ),
    mutant(
        "good_until counted from the answer",
        "a renewal counts from its answer, and not from when its call began",
        Edit(
            Memory,
            "renew",
            "began + granted",
            "self._options.clock.now() + granted",
        ),
    ),
    mutant(
        "late renewal ends a fresh term",
        "what a renewal ends is decided when it lands, not when it was asked for",
        Edit(
            Memory,
            "_renew",
            "(term.election, term.token, term.attempt) in unwanted",
            "not {(term.election, term.token), (term.election, None)} & unwanted",
        ),
        Edit(Memory, "renew", "self._session, unwanted)", "self._session, wanted)"),
    ),
    mutant(
        "session renewed by its name alone",
        "whoever renews a dead session gets another one that nobody ends",
        Edit(Space, "end_session", "del self.sessions[name]", "pass"),
    ),
    mutant(
        "watch misses deletions",
        "what is ended is not told (a high-water mark over versions)",
        Edit(Space, "delete", "self._notify(election)", "pass"),
    ),
)
