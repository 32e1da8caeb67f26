"""Bugs of the gateway: ballot, elector, and what belongs to them."""

from incumbent_backends.memory import Memory
from incumbent_server import agenda
from incumbent_server.ballot import Ballot
from incumbent_server.candidacy import Candidacy, Seat
from incumbent_server.elector import Elector
from incumbent_server.follower import Follower
from incumbent_server.graves import Graves
from incumbent_server.line import Line
from incumbent_server.observers import Observer
from incumbent_server.session import Session
from incumbent_server.silence import Silence
from tests.simulation.mutants.edit import Edit, mutant

MUTANTS = (
    mutant(
        "margin dropped",
        "a client may trust its whole ttl, so that clocks within 1 % of true break it",
        Edit(Session, "trust", "ttl - margin(ttl)", "ttl"),
        Edit(Candidacy, "patience_ends", "+ ttl + margin(ttl)", "+ ttl"),
    ),
    mutant(
        "trust beyond the session",
        "a heartbeat is answered with the client's ttl, whatever the store has confirmed",
        Edit(Session, "trust", "min(ttl - margin(ttl), self.trusted_until - since)", "ttl * 0.98"),
    ),
    mutant(
        "winner judged by holder alone",
        "a stale gateway's bid for a client that moved away wins its live term",
        Edit(Ballot, "acquired", "term.session == session", "True"),
    ),
    mutant(
        "attempts ignored by the gateway",
        "an older enter, or one that comes twice, takes the candidacy over",
        Edit(
            Ballot,
            "_refusal",
            "(present.leaving or entry.attempt <= present.entry.attempt)",
            "present.leaving",
        ),
    ),
    mutant(
        "orphan not reconciled",
        "a term that hangs on the session for nobody stays, and renewals keep it (etcd#21128)",
        Edit(Ballot, "_reconcile", "self.graves.doom(known)", "pass"),
        Edit(Memory, "renew", "and h[:2] not in wanted", "and h is None"),
    ),
    mutant(
        "vacancy not reported",
        "an observer is told the successor, and never the vacancy before (etcd Observe)",
        Edit(Observer, "put", "(vacated and term is not None, term)", "(False, term)"),
    ),
    mutant(
        "vacancy not noticed",
        "the watch tells the latest state only, and nobody sees that the token changed",
        Edit(Follower, "_tell", "before.token != term.token", "False"),
    ),
    mutant(
        "queue overtaken",
        "who came last is bid for first",
        Edit(Line, "head", "self._by_holder.values()", "reversed(self._by_holder.values())"),
    ),
    mutant(
        "silence judged before reading",
        "a gateway that was held up ends clients whose heartbeats lie unread in its buffers",
        Edit(Silence, "due", "now + READ_ROUND", "now"),
    ),
    mutant(
        "jeopardy too late",
        "clients of a gateway that is cut off are told so when no trust is left to move with",
        Edit(Session, "__post_init__", "self.backend_ttl / 2", "3 * allowance"),
    ),
    mutant(
        "drain releases",
        "a drain ends what clients still trust and could take elsewhere",
        Edit(
            Ballot,
            "_drain_seat",
            "candidacy = seat.candidacy",
            "return self._vacate(Reason.GATEWAY_DRAINING, doom=True)",
        ),
    ),
    mutant(
        "lost session released at once",
        "a lost session's term is ended before its last promise has run out",
        Edit(Ballot, "session_lost", "self.graves.kept_until = until", "pass"),
    ),
    mutant(
        "margin of a further enter dropped",
        "a shorter ttl, its answers lost, is borne for less than a slow clock makes of it",
        Edit(Candidacy, "patience_ends", "self.entry.attempt > 1", "False"),
    ),
    mutant(
        "acquire under way not claimed",
        "a renewal ends a term whose winning answer is on its way",
        Edit(Ballot, "claims", "self.picture.unsure or isinstance(self.op, Acquire)", "False"),
    ),
    mutant(
        "resign told by an older answer",
        "who resigned is told it is over though the term had just moved away",
        Edit(Ballot, "acquired", "self._effects.extend(self.graves.farewells(term))", "pass"),
        Edit(
            Ballot,
            "released",
            "self.graves.release(op.term)",
            "self.graves.release(op.term)\n    self._effects.extend(self.graves.farewells(None))",
        ),
    ),
    mutant(
        "withdrawal forgotten",
        "who withdrew while the outcome of its bid was unknown stays in the queue",
        Edit(Ballot, "answered", "not candidacy.leaving", "True"),
        Edit(Ballot, "_not_won", "candidacy.leaving and candidacy.entry.resume is None", "False"),
    ),
    mutant(
        "late move ended",
        "a move that lands after its client was turned away is ended while it trusts",
        Edit(Ballot, "_may_land", "asked and candidacy.holder in self.arriving", "False"),
    ),
    mutant(
        "stale leader",
        "neither a renewal that misses the term nor news of its end raise a doubt "
        "(oban#1488, wolverine#2602)",
        Edit(Ballot, "renewed", "token in asked and token not in survivors", "False"),
        Edit(Ballot, "news", "term is None or term.token != seat.term.token", "False"),
    ),
    mutant(
        "released token trusted again",
        "a token whose release was issued here is had here again, and the release comes late",
        Edit(Ballot, "_refusal", "entry.resume <= self.graves.buried", "False"),
        Edit(Ballot, "_landed", "term.token > self.graves.buried", "True"),
        Edit(Ballot, "_reconcile", "known.token <= self.graves.buried", "False"),
    ),
    mutant(
        "silent client kept",
        "nobody judges silence: a dead client leads for ever",
        Edit(Ballot, "_deadline", "candidacy.patience_ends() if silent else math.inf", "math.inf"),
    ),
    mutant(
        "hold-back forgotten",
        "after the pause that follows a release nobody asks for the next bid",
        Edit(Ballot, "released", "self._effects.append(Later(self.not_before))", "pass"),
    ),
    mutant(
        "late timer trusted",
        "a hold-back that ends a hair early is never asked for again",
        Edit(
            Elector,
            "_later",
            "while (left := instant - self._world.now()) > 0:",
            "for left in (instant - self._world.now(),):",
        ),
    ),
    mutant(
        "resigned before the store confirmed",
        "the farewell of who leads is ended OK at once (tooz, wolverine#2691)",
        Edit(
            Graves, "doom", "waiting.extend(farewells)", "self._released[0] = (term, [*farewells])"
        ),
    ),
    mutant(
        "a broken stream frees in a drain",
        "where no term can move, a KEEP stream's reset counts as its client's farewell",
        Edit(
            Ballot,
            "disconnected",
            "if candidacy.entry.keep and not self._hasty(candidacy):",
            "if candidacy.entry.keep and not candidacy.parting:",
        ),
    ),
    mutant(
        "resigned where it waited",
        "a resign where an older attempt waits leaves what the newer one leads elsewhere",
        Edit(
            Elector,
            "_resign_once",
            "if end.reason is not None or end.term is not None:",
            "if end is not None:",
        ),
    ),
    mutant(
        "ended between two looks",
        "a term won here is not read though the watch never told of it",
        Edit(Ballot, "acquired", "self.picture.recheck_at = now + TOLD_WITHIN", "pass"),
    ),
    mutant(
        "moved here as the session is lost",
        "a client that moved here may trust the other gateway yet, and its term is ended",
        Edit(Seat, "trusted_elsewhere", "if entry.attempt == 1:", "if entry:"),
    ),
    mutant(
        "kept past its end",
        "a term is kept for its client's sake though it is over, and nobody else is bid for",
        Edit(
            agenda,
            "choose",
            "return Read() if ballot.graves.elsewhere(ballot.known) else None",
            "return None",
        ),
    ),
    mutant(
        "hasty move dropped",
        "who will not wait is turned away while its move may land, and the move is undone",
        Edit(Ballot, "failed", "self.queue.get(op.holder)", "self.find(op.holder)"),
    ),
)
