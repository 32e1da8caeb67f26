"""One election on one gateway: who waits, who is seated, and what to ask of the store next.

A pure state machine. Events and instants go in; effects (`take`) and at most one store operation
at a time (`next_op`) come out. It reads no clock, awaits nothing and draws no random number.

    enter ───────► queue ── bid won ──► seat ── resign, silence, disconnect ──► doomed
    enter+resume ► arriving ─ moved ─►   │                                        │
                      │                  └── ended or moved in the store ──► gone │
                      └── not to be had ──► LOST                    released ◄────┘

Doomed terms (graves.py) are released before anything else is asked of the store, and no term that
was ended here is renewed, trusted or resumed on the same session again.
News of the watch only ever propose; a term that is held here ends on what the store answers to
a question asked after it was won.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from incumbent_backends.api import Claim, Term
from incumbent_server import agenda, views
from incumbent_server.candidacy import (
    Acquire,
    Candidacy,
    Effect,
    End,
    Entry,
    Farewell,
    Gone,
    Later,
    Op,
    Read,
    Release,
    Seat,
    State,
    Stream,
    Tell,
    View,
    Won,
)
from incumbent_server.graves import Graves
from incumbent_server.line import Line
from incumbent_server.picture import RECHECK, TOLD_WITHIN, Picture
from incumbent_server.reasons import Reason
from incumbent_server.session import Session

COURTESY = 8  # every so many releases this gateway holds back though it knows of no rival


@dataclass(slots=True, eq=False)
class Ballot:
    """The contest for `election` on this gateway; `pause` gives the seconds of one hold-back."""

    election: str
    backend_ttl: float  # seconds
    moves_terms: bool
    pause: Callable[[], float]
    capacity: int  # candidates that may wait here
    picture: Picture = field(default_factory=Picture)
    draining: bool = False
    queue: Line = field(default_factory=Line)
    arriving: dict[str, Candidacy] = field(default_factory=dict)  # holder → resuming
    seat: Seat | None = None
    graves: Graves = field(default_factory=Graves)
    op: Op | None = None  # under way
    wake: float = math.inf  # when `tick` has something to judge, at the earliest
    not_before: float = 0.0  # no bid until then
    _releases: int = 0
    _effects: list[Effect] = field(default_factory=list)

    # -- what clients do ---------------------------------------------------------------------

    def enter(self, entry: Entry, stream: Stream, now: float) -> Candidacy | None:
        """Admit a stream; None when it ended at once (the End effect says why)."""
        present = self.find(entry.holder)
        refusal = self._refusal(entry, present)
        if refusal is not None:
            over = refusal in (Reason.EXPIRED, Reason.SUPERSEDED)
            view = View(State.LOST, None, reason=refusal) if over else None
            self._effects.append(End(stream, refusal, view))
            return None
        if present is None:
            return self._admit(Candidacy(entry, stream, now))
        self._supersede(present)
        moved = present is not self._seated and present.entry.resume != entry.resume
        present.take(entry, stream, now)
        self.queue.note(present)
        if moved:
            self._remove(present)
            return self._admit(present)
        if entry.no_wait and self._led_or_ahead_of(present):
            self._drop(present, Reason.HELD_BY_ANOTHER)
            return None
        if self.seat is not None and present is self.seat.candidacy and entry.value is not None:
            self.seat.wanted = entry.value
        self._wake_at(self._deadline(present))
        self._tell(present)
        return present

    def _refusal(self, entry: Entry, present: Candidacy | None) -> Reason | None:
        if self.draining:
            return Reason.GATEWAY_DRAINING
        if present is not None and (present.leaving or entry.attempt <= present.entry.attempt):
            return Reason.SUPERSEDED
        if entry.resume is not None:
            seated = self.seat if present is self._seated else None
            if seated is not None and seated.term.token != entry.resume:
                return Reason.EXPIRED
            buried = entry.resume <= self.graves.buried
            return self._grave(entry.resume, entry.holder) if buried else None
        if present is not None:
            return None
        if entry.no_wait and (self.seat or self.queue or self.arriving):
            return Reason.HELD_BY_ANOTHER
        full = len(self.queue) + len(self.arriving) >= self.capacity
        return Reason.TOO_MANY_CANDIDATES if full else None

    def _led_or_ahead_of(self, candidacy: Candidacy) -> bool:
        """Whether somebody else leads here, or comes before a candidacy that waits here."""
        if candidacy.holder not in self.queue:
            return False
        ahead = self.queue.position(candidacy) > 1
        return self.seat is not None or ahead or bool(self.arriving)

    def _grave(self, token: int, holder: str) -> Reason:
        """Say why a token that was ended here is not resumed; it may have moved away before."""
        known = self.known
        lives = known is not None and (known.token, known.holder) == (token, holder)
        moved = lives and known is not None and known.session != self.graves.session
        return Reason.HELD_BY_OTHER_GATEWAY if moved else Reason.EXPIRED

    def _admit(self, candidacy: Candidacy) -> Candidacy:
        if candidacy.entry.resume is not None:
            self.arriving[candidacy.holder] = candidacy
        else:
            self.queue.join(candidacy)
            self._tell(candidacy)
        self._wake_at(self._deadline(candidacy))
        return candidacy

    def heartbeat(self, candidacy: Candidacy, sequence: int, now: float) -> None:
        """Count a heartbeat; from the first one on, silence ends the candidacy."""
        if candidacy.parting:
            return
        candidacy.sequence = sequence
        candidacy.heard = candidacy.counted = now
        if not candidacy.timed:
            candidacy.timed = True
            self._wake_at(self._deadline(candidacy))

    def proclaim(self, candidacy: Candidacy, value: bytes, now: float) -> bool:
        """Ask for a new value; False when the candidacy does not lead, and is not about to."""
        seated = self.seat is not None and candidacy is self.seat.candidacy
        if candidacy.parting or not (seated or candidacy.holder in self.arriving):
            return False
        candidacy.heard = now
        candidacy.entry = replace(candidacy.entry, value=value)
        if self.seat is not None and seated:
            self.seat.wanted = value
        return True

    def resign(self, candidacy: Candidacy, farewell: Stream) -> None:
        """Leave; `farewell` is ended OK once the store has confirmed that the term is over."""
        if candidacy.stream is farewell:
            candidacy.stream = None
        if candidacy is self._seated:
            self._vacate(Reason.RESIGNED, doom=True, farewells=[farewell])
        elif self._asked_for(candidacy) or candidacy.holder in self.arriving:
            self._supersede(candidacy, Reason.RESIGNED)
            candidacy.leaving.append(farewell)
        else:
            self._drop(candidacy, Reason.RESIGNED)
            self._effects.append(End(farewell, None, None))

    def disconnected(self, candidacy: Candidacy, stream: Stream) -> None:
        """The stream broke: RELEASE ends the candidacy, KEEP lets it run on in silence."""
        if candidacy.stream is not stream:
            return
        candidacy.stream = None
        if candidacy.entry.keep and not self._hasty(candidacy):
            self._wake_at(self._deadline(candidacy))
        elif candidacy is self._seated:
            self._vacate(None, doom=True)
        elif not candidacy.leaving:
            self._remove(candidacy)

    # -- what time, the session and the operator do ------------------------------------------

    def tick(self, now: float) -> None:
        """Judge silence. Call it only when everything received before has been read."""
        self.wake = math.inf
        for candidacy in list(self._candidacies()):
            deadline = self._deadline(candidacy)
            if deadline > now:
                self._wake_at(deadline)
            elif candidacy is self._seated:
                self._vacate(Reason.EXPIRED, doom=True)
            elif not candidacy.leaving:
                self._drop(candidacy, Reason.EXPIRED)
        if self.picture.recheck_at > now:
            self._wake_at(self.picture.recheck_at)

    def jeopardy(self) -> None:
        """The session's standing changed: tell the leader."""
        if self.seat is not None:
            self._tell(self.seat.candidacy)

    def session_lost(self, good_until: float) -> None:
        """No promise of the store is left: end the term here, send the others elsewhere.

        The store may answer again before the client has heard of it; so the term is kept until
        the last promise, `good_until`, has run out, and released then.
        """
        if self.seat is not None:
            elsewhere = self.seat.trusted_elsewhere if self.moves_terms else -math.inf
            until = max(good_until, elsewhere)
            self._vacate(Reason.BACKEND_LOST, doom=True)
            self.graves.kept_until = until
            self._effects.append(Later(until))
        self._effects.extend(self.graves.dismissals())
        for candidacy in list(self._candidacies()):
            self._dismiss(candidacy.leaving)
            self._end(candidacy, Reason.BACKEND_UNAVAILABLE, None)
            if self._may_land(candidacy):
                candidacy.timed = True
            elif (
                self._hasty(candidacy)
                or not candidacy.entry.keep
                or candidacy.holder in self.arriving
            ):
                self._remove(candidacy)
            self._wake_at(self._deadline(candidacy))

    def _hasty(self, candidacy: Candidacy) -> bool:
        """Whether it asked not to wait, so that no place is kept for it once its stream is gone."""
        return candidacy.entry.no_wait and candidacy.holder in self.queue

    def _may_land(self, candidacy: Candidacy) -> bool:
        """Whether its term may still move here, while it trusts what another gateway told it."""
        asked = self._asked_for(candidacy) or self.picture.unsure
        return asked and candidacy.holder in self.arriving

    def drain(self, session: Session, now: float) -> None:
        """Stop leading without ending what clients still trust and can take elsewhere."""
        self.draining = True
        if self.seat is not None:
            self._drain_seat(self.seat, session, now)
        for candidacy in self.queue:
            if not candidacy.leaving:
                self._part(candidacy, session, now)
                self._remove(candidacy)
        for candidacy in self.arriving.values():
            self._part(candidacy, session, now)

    def _drain_seat(self, seat: Seat, session: Session, now: float) -> None:
        candidacy = seat.candidacy
        if candidacy.timed and self.moves_terms:
            self._part(candidacy, session, now)
        elif candidacy.timed:  # released once its client has resigned, or is silent for its ttl
            candidacy.parting = True
            self._tell(candidacy)
        else:
            self._vacate(Reason.GATEWAY_DRAINING, doom=True)

    def _part(self, candidacy: Candidacy, session: Session, now: float) -> None:
        """End the stream with the present state; the candidacy runs on in silence for its ttl."""
        present = self.view(candidacy, session, now)
        final = present and present.because(Reason.GATEWAY_DRAINING)
        self._end(candidacy, Reason.GATEWAY_DRAINING, final)
        candidacy.timed = True
        self._wake_at(self._deadline(candidacy))

    # -- what the store says -----------------------------------------------------------------

    def news(self, term: Term | None, session: str, now: float) -> None:
        """Take in what the watch tells: the latest state, perhaps older than an answer had here."""
        self.picture.told(term, session, now, asking=self.op is not None)
        seat = self.seat
        if seat is None:
            self._learn(term)
        elif term is None or term.token != seat.term.token:
            self.picture.doubt = True
            seat.missing = (
                seat.missing or not self.moves_terms
            )  # its own dead session needs no store
        elif term.token == seat.term.token and term.attempt > seat.candidacy.entry.attempt:
            self._vacate(Reason.SUPERSEDED, doom=False)
            self._learn(term)
        elif term.token == seat.term.token:
            self.picture.recheck_at = math.inf

    def renewed(self, asked: frozenset[int], survivors: frozenset[int], session: str) -> None:
        """Take in a renewal: what was asked to be kept and did not survive is gone from here.

        Whether it is over or has moved away is read first; nothing is promised meanwhile.
        """
        if self.seat is None:
            return
        token = self.seat.term.token
        if self.seat.term.session != session:
            self._vacate(Reason.BACKEND_LOST, doom=False)
            self._learn(None)
        elif token in asked and token not in survivors:
            self.seat.missing = self.picture.doubt = True

    def acquired(self, term: Term | None, session: str, now: float) -> None:
        """Take in the answer to the Acquire under way."""
        op, self.op, self.picture.unsure = self.op, None, False
        assert isinstance(op, Acquire)
        self._effects.extend(self.graves.farewells(term))
        if self.seat is not None and op.holder == self.seat.candidacy.holder:
            self._confirm(self.seat, op, term, session, now)
            return
        candidacy = self.find(op.holder)
        mine = term is not None and term.session == session
        if mine and term is not None and term.holder == op.holder:
            self._landed(term, op, candidacy)
            if self.seat is not None and (self.picture.doubt or not self.picture.overtaken):
                self.picture.recheck_at = now + TOLD_WITHIN
                self._wake_at(self.picture.recheck_at)
            return
        self._hear(term, now)
        if mine and term is not None and self.find(term.holder) is None:
            self.graves.doom(term)
        if candidacy is not None:
            self._not_won(candidacy, op, term)

    def _landed(self, term: Term, op: Acquire, candidacy: Candidacy | None) -> None:
        """The term of who was bid for hangs on this gateway's session: seat it, or end it."""
        alive = term.token > self.graves.buried
        if alive and candidacy is not None and candidacy.entry.resume in (None, term.token):
            self._take_seat(candidacy, term, resumed=op.resume is not None)
            return
        if candidacy is not None and candidacy.leaving and candidacy.entry.resume is None:
            self.graves.doom(term, candidacy.leaving)  # told when its credential's term is over
            self._remove(candidacy)
        else:
            self.graves.doom(term)

    def _take_seat(self, candidacy: Candidacy, term: Term, *, resumed: bool) -> None:
        if self.seat is not None:
            self._vacate(Reason.BACKEND_LOST, doom=False)
        self._remove(candidacy)
        asked = candidacy.entry.value
        self.seat = Seat(candidacy, term, wanted=asked if asked != term.value else None)
        self.picture.doubt = self.picture.contradicts(term)
        self._learn(term)
        if candidacy.leaving:
            self._effects.append(Won(term, resumed))
            self._vacate(Reason.RESIGNED, doom=True, farewells=candidacy.leaving)
            return
        self._wake_at(self._deadline(candidacy))
        self._tell(candidacy)
        self._effects.append(Won(term, resumed))

    def _not_won(self, candidacy: Candidacy, op: Acquire, term: Term | None) -> None:
        own = term if term is not None and term.holder == candidacy.holder else None
        if candidacy.leaving and candidacy.entry.resume is None and own is None:
            self._drop(candidacy, None)
        elif op.attempt != candidacy.entry.attempt:
            pass  # a newer enter took over meanwhile and is tried next
        elif candidacy.entry.resume is not None and op.resume == candidacy.entry.resume:
            self._drop(candidacy, self._why_not_moved(candidacy, own))
        elif own is not None and candidacy.outdone_by(own):
            self._drop(candidacy, Reason.SUPERSEDED)
        elif candidacy.leaving and not self.moves_terms:
            self._drop(candidacy, Reason.HELD_BY_OTHER_GATEWAY)
        elif candidacy.entry.no_wait:
            self._drop(candidacy, Reason.HELD_BY_ANOTHER)

    def _why_not_moved(self, candidacy: Candidacy, own: Term | None) -> Reason:
        if own is None or own.token != candidacy.entry.resume:
            return Reason.EXPIRED
        return Reason.SUPERSEDED if candidacy.outdone_by(own) else Reason.HELD_BY_OTHER_GATEWAY

    def _confirm(
        self, seat: Seat, op: Acquire | None, term: Term | None, session: str, now: float
    ) -> None:
        """Hold the seat against what the store answered to a question asked after it was won."""
        lives = term is not None and term.token == seat.term.token
        if lives and term is not None and term.session == session:
            seat.term = self.picture.known = term
            seat.missing = False
            if now >= self.picture.recheck_at:  # an earlier answer may be older than an end by hand
                self.picture.recheck_at = math.inf
            if op is not None and seat.wanted is op.value:
                seat.wanted = None
            self._tell(seat.candidacy)
            return
        self._vacate(Reason.SUPERSEDED if lives else Reason.BACKEND_LOST, doom=False)
        self._learn_unconfirmed(term, now)

    def answered(self, term: Term | None, session: str, now: float) -> None:
        """Take in the answer to the Read under way."""
        self.op, self.picture.unsure = None, False
        self.graves.hear(term)
        self._effects.extend(self.graves.farewells(term))
        if self.seat is not None:
            self._confirm(self.seat, None, term, session, now)
            return
        self._hear(term, now)
        for candidacy in self.queue:
            if not candidacy.leaving:
                continue
            if term is None or term.holder != candidacy.holder:
                self._drop(candidacy, None)
            elif not self.moves_terms and term.session != session:
                self._drop(candidacy, Reason.HELD_BY_OTHER_GATEWAY)

    def _hear(self, term: Term | None, now: float) -> None:
        """Learn from an answer that no news overtook."""
        if self.picture.overtaken:
            return
        if self.seat is not None:
            newer = term is None or term.token > self.seat.term.token
            self.picture.doubt = self.picture.doubt or newer
            return
        self._learn_unconfirmed(term, now)

    def _learn_unconfirmed(self, term: Term | None, now: float) -> None:
        """Learn from an answer; a leader of whom no news ever tell is read again."""
        self._learn(term)
        if term is not None and self.queue:
            self.picture.recheck_at = now + RECHECK
            self._effects.append(Later(self.picture.recheck_at))

    def released(self, now: float) -> None:
        """Take in that the Release under way is done: the term is over for everybody."""
        op, self.op = self.op, None
        assert isinstance(op, Release)
        self.graves.release(op.term)
        known = self.known
        if known is not None and known.token <= op.term.token and not self.picture.overtaken:
            self._learn(None)
        self._releases += 1
        if self.picture.rivals(now) or self._releases % COURTESY == 0:
            self.not_before = now + self.pause()
            self._effects.append(Later(self.not_before))

    def failed(self) -> None:
        """The operation under way ended without an answer."""
        op, self.op = self.op, None
        if isinstance(op, Acquire):
            self.picture.unsure = True
            candidacy = self.queue.get(op.holder)  # a move may land yet, and is asked for again
            if candidacy is not None and candidacy.entry.no_wait:
                self._drop(candidacy, Reason.BACKEND_UNAVAILABLE)
        elif isinstance(op, Read) and self.seat is not None:
            self.picture.doubt = True

    def rejected(self) -> None:
        """The store refused the Acquire under way for good: so is the candidacy's wish."""
        op, self.op = self.op, None
        assert isinstance(op, Acquire)
        candidacy = self.find(op.holder)
        if self.seat is not None and candidacy is self.seat.candidacy:
            self.seat.wanted = None
            if stream := candidacy.stream:
                self._effects.append(End(stream, Reason.BACKEND_REJECTED, None))
                self.disconnected(candidacy, stream)
        elif candidacy is not None:
            self._drop(candidacy, Reason.BACKEND_REJECTED)

    # -- what comes out ----------------------------------------------------------------------

    def take(self) -> list[Effect]:
        """Hand over the effects since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects

    def next_op(self, now: float, session: Session) -> Op | None:
        """Begin the next store operation; its answer comes back by one of the events above."""
        if self.op is not None:
            return None
        if self.seat is None and self.known is not None:
            self._reconcile(self.known, session)
        self.op = agenda.choose(self, now, session)
        self.picture.asking()
        if isinstance(self.op, Read):
            self.picture.doubt = False
        return self.op

    def _reconcile(self, known: Term, session: Session) -> None:
        """End what hangs on the session for nobody; drop who leads elsewhere by a newer attempt."""
        own = self.find(known.holder)
        if known.session == session.name:
            if own is None or known.token <= self.graves.buried:
                self.graves.doom(known)
        elif own is not None and own.entry.resume is None and own.outdone_by(known):
            self._drop(own, Reason.SUPERSEDED)

    def view(self, candidacy: Candidacy, session: Session, now: float) -> View | None:
        """Tell a candidate's whole present state; None while the store has not decided yet."""
        return views.view(self, candidacy, session, now)

    def claims(self, now: float) -> Iterator[Claim]:
        """List what the session must keep for this election."""
        if self.seat is not None:
            yield Claim(self.election, self.seat.term.token)
        yield from (Claim(self.election, token) for token in self.graves.claims(now))
        if self.picture.unsure or isinstance(self.op, Acquire):
            yield Claim(self.election, None)

    @property
    def known(self) -> Term | None:
        """Who leads, as far as this gateway has heard."""
        return self.picture.known

    @property
    def idle(self) -> bool:
        """Whether nothing would be forgotten with this ballot."""
        return not (self.queue or self.arriving or self.busy)

    @property
    def busy(self) -> bool:
        """Whether the store holds something for this ballot, or is being asked about it."""
        return bool(self.seat or self.graves or self.op or self.picture.unsure)

    def find(self, holder: str) -> Candidacy | None:
        """Find the candidacy of `holder` on this gateway."""
        seated = self._seated
        if seated is not None and seated.holder == holder:
            return seated
        return self.queue.get(holder) or self.arriving.get(holder)

    # -- inside ------------------------------------------------------------------------------

    @property
    def _seated(self) -> Candidacy | None:
        return self.seat.candidacy if self.seat is not None else None

    def _candidacies(self) -> Iterator[Candidacy]:
        if self.seat is not None:
            yield self.seat.candidacy
        yield from self.queue
        yield from self.arriving.values()

    def _asked_for(self, candidacy: Candidacy) -> bool:
        return isinstance(self.op, Acquire) and self.op.holder == candidacy.holder

    def _deadline(self, candidacy: Candidacy) -> float:
        silent = candidacy.timed or candidacy.stream is None
        return candidacy.patience_ends() if silent else math.inf

    def _wake_at(self, instant: float) -> None:
        self.wake = min(self.wake, instant)

    def _tell(self, candidacy: Candidacy) -> None:
        if candidacy.stream is not None:
            self._effects.append(Tell(candidacy.stream))

    def _end(self, candidacy: Candidacy, reason: Reason, view: View | None) -> None:
        if candidacy.stream is not None:
            self._effects.append(End(candidacy.stream, reason, view))
            candidacy.stream = None

    def _supersede(self, candidacy: Candidacy, reason: Reason = Reason.SUPERSEDED) -> None:
        """End an older stream; that says nothing of the term."""
        seat = self.seat if candidacy is self._seated else None
        self._end(candidacy, reason, views.lost(candidacy, reason, seat))

    def _learn(self, term: Term | None) -> None:
        if self.picture.settle(term):
            for candidacy in self.queue:
                self._tell(candidacy)

    def _vacate(
        self, reason: Reason | None, *, doom: bool, farewells: list[Farewell] | None = None
    ) -> None:
        """Stop leading first; with `doom` the store is told next, and the token is dead here."""
        seat, self.seat = self.seat, None
        assert seat is not None
        self.picture.doubt = False
        self._effects.append(Gone(seat.term, reason))
        if reason is not None:
            why = Reason.GATEWAY_DRAINING if seat.candidacy.parting else reason
            self._end(seat.candidacy, why, views.lost(seat.candidacy, why, seat))
        if doom:
            self.graves.doom(seat.term, farewells or ())
        elif reason is not Reason.SUPERSEDED:
            self.graves.bury(seat.term)

    def _dismiss(self, farewells: list[Farewell]) -> None:
        for farewell in farewells:
            self._effects.append(End(farewell, Reason.BACKEND_UNAVAILABLE, None))
        farewells.clear()

    def _drop(self, candidacy: Candidacy, reason: Reason | None) -> None:
        """End a candidacy that does not lead; None: it asked to leave."""
        self._remove(candidacy)
        over = reason in (Reason.EXPIRED, Reason.SUPERSEDED, Reason.RESIGNED)
        view = views.lost(candidacy, reason) if over and reason is not None else None
        streams = [*candidacy.leaving, *([candidacy.stream] if candidacy.stream else [])]
        candidacy.stream = None
        self._effects.extend(End(stream, reason, view) for stream in streams)

    def _remove(self, candidacy: Candidacy) -> None:
        self.arriving.pop(candidacy.holder, None)
        for behind in self.queue.leave(candidacy):
            self._tell(behind)
