"""One election on one gateway: who waits, who is seated, and what to ask of the store next.

A pure state machine. Events and instants go in; effects (`take`) and at most one store operation
at a time (`next_op`) come out. It reads no clock, awaits nothing and draws no random number.

    enter ──────► queue ──── bid won ────► seat ── resign, silence, disconnect ──► doomed
    enter+resume ► arriving ─ moved ─────►  │                                         │
                     │                      └─ ended or moved in the store ──► gone   │
                     └─ not to be had ──► LOST                        released ◄──────┘

Doomed terms are released before anything else is asked of the store. `buried` is the highest
token that this gateway has ended: no such term is renewed, trusted or resumed here again.
News of the watch only ever proposes; a term that is held here ends on what the store answers to
a question asked after it was won.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from incumbent_backends.api import Claim, Term
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
from incumbent_server.reasons import Reason
from incumbent_server.session import Session, Standing

RECHECK = 1.0  # seconds after which a leader known only by a lost bid is read again
RIVAL_MEMORY = 60.0  # seconds for which another gateway's term makes this one polite
COURTESY = 8  # every so many releases this gateway holds back though it knows of no rival


@dataclass(slots=True, eq=False)
class Ballot:
    """The contest for `election` on this gateway; `pause` gives the seconds of one hold-back."""

    election: str
    backend_ttl: float  # seconds
    moves_terms: bool
    pause: Callable[[], float]
    capacity: int
    known: Term | None = None  # who leads, as far as this gateway heard
    queue: dict[str, Candidacy] = field(default_factory=dict)  # holder → waiting, in order
    arriving: dict[str, Candidacy] = field(default_factory=dict)  # holder → resuming
    seat: Seat | None = None
    doomed: dict[int, tuple[Term, list[Farewell]]] = field(default_factory=dict)
    buried: int = 0
    op: Op | None = None
    wake: float = math.inf  # when `tick` has something to judge, at the earliest
    draining: bool = False
    _unsure: bool = False  # an acquire's outcome is unknown: something may hang on the session
    _doubt: bool = False  # news contradict the seat: ask the store
    _overtaken: bool = False  # news came while the operation was under way
    _recheck_at: float = math.inf
    _not_before: float = 0.0
    _rival_seen: float = -math.inf
    _releases: int = 0
    _tickets: list[int] = field(default_factory=list)
    _last_ticket: int = 0
    _effects: list[Effect] = field(default_factory=list)

    # -- what clients do ---------------------------------------------------------------------

    def enter(self, entry: Entry, stream: Stream, now: float) -> Candidacy | None:
        """Admit a stream; None when it ended at once (the End effect says why)."""
        present = self.find(entry.holder)
        refusal = self._refusal(entry, present)
        if refusal is not None:
            lost = refusal in (Reason.EXPIRED, Reason.SUPERSEDED)
            view = View(State.LOST, None, reason=refusal) if lost else None
            self._effects.append(End(stream, refusal, view))
            return None
        if present is None:
            return self._admit(Candidacy(entry, stream, now), now)
        self._supersede(present)
        stale = present.entry.resume if present is not self._seated else entry.resume
        present.take(entry, stream, now)
        self._wake_at(self._deadline(present))
        if present is self._seated and self.seat is not None:
            if entry.value is not None:
                self.seat.wanted = entry.value
        elif stale != entry.resume:
            self._remove(present)
            self._admit(present, now)
        else:
            self._tell(present)
        return present

    def _refusal(self, entry: Entry, present: Candidacy | None) -> Reason | None:
        if self.draining:
            return Reason.GATEWAY_DRAINING
        if present is not None and (present.leaving or entry.attempt <= present.entry.attempt):
            return Reason.SUPERSEDED
        if entry.resume is not None:
            seated = self.seat is not None and present is self.seat.candidacy
            if seated and self.seat is not None and self.seat.term.token != entry.resume:
                return Reason.EXPIRED
            return Reason.EXPIRED if entry.resume <= self.buried else None
        if present is not None:
            return None
        if entry.no_wait and (self.seat or self.queue or self.arriving):
            return Reason.HELD_BY_ANOTHER
        full = len(self.queue) + len(self.arriving) >= self.capacity
        return Reason.TOO_MANY_CANDIDATES if full else None

    def _admit(self, candidacy: Candidacy, now: float) -> Candidacy:
        if candidacy.entry.resume is not None:
            self.arriving[candidacy.holder] = candidacy
        else:
            self._last_ticket += 1
            candidacy.ticket = self._last_ticket
            self._tickets.append(candidacy.ticket)
            self.queue[candidacy.holder] = candidacy
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
        """Ask for a new value; False when the candidacy does not lead."""
        if candidacy is not self._seated or self.seat is None or candidacy.parting:
            return False
        candidacy.heard = now
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
        if candidacy.entry.keep and not candidacy.parting:
            self._wake_at(self._deadline(candidacy))
        elif candidacy is self._seated:
            self._vacate(None, doom=True)
        elif not candidacy.leaving:
            self._remove(candidacy)

    # -- what time and the session do --------------------------------------------------------

    def tick(self, now: float) -> None:
        """Judge silence. Call it only when everything received before has been read."""
        self.wake = math.inf
        for candidacy in list(self._candidacies()):
            deadline = self._deadline(candidacy)
            if deadline > now or candidacy.leaving:
                self._wake_at(deadline if deadline > now else math.inf)
            elif candidacy is self._seated:
                self._vacate(Reason.EXPIRED, doom=True)
            else:
                self._drop(candidacy, Reason.EXPIRED)

    def session_lost(self) -> None:
        """No promise of the store is left: end the term here, send the others elsewhere."""
        if self.seat is not None:
            self._vacate(Reason.BACKEND_LOST, doom=True)
        for _, farewells in self.doomed.values():
            self._dismiss(farewells, Reason.BACKEND_UNAVAILABLE)
        for candidacy in list(self._candidacies()):
            self._dismiss(candidacy.leaving, Reason.BACKEND_UNAVAILABLE)
            if candidacy.stream is not None:
                self._effects.append(End(candidacy.stream, Reason.BACKEND_UNAVAILABLE, None))
                candidacy.stream = None
            if not candidacy.entry.keep or candidacy.holder in self.arriving:
                self._remove(candidacy)
            else:
                self._wake_at(self._deadline(candidacy))

    def jeopardy(self) -> None:
        """The session's standing changed: tell the leader."""
        if self.seat is not None:
            self._tell(self.seat.candidacy)

    def drain(self, session: Session, now: float) -> None:
        """Stop leading without ending what clients still trust and can take elsewhere."""
        self.draining = True
        if self.seat is not None:
            self._drain_seat(self.seat, session, now)
        for candidacy in list(self.queue.values()):
            if not candidacy.leaving:
                self._part(candidacy, session, now)
                self._remove(candidacy)
        for candidacy in self.arriving.values():
            self._part(candidacy, session, now)

    def _drain_seat(self, seat: Seat, session: Session, now: float) -> None:
        candidacy = seat.candidacy
        if candidacy.timed and self.moves_terms:
            self._part(candidacy, session, now)
            return
        candidacy.parting = True
        self._tell(candidacy)
        if not candidacy.timed:
            self._vacate(Reason.GATEWAY_DRAINING, doom=True)

    def _part(self, candidacy: Candidacy, session: Session, now: float) -> None:
        """End the stream with the present state; the candidacy runs on in silence for its ttl."""
        stream, view = candidacy.stream, self.view(candidacy, session, now)
        candidacy.stream, candidacy.timed = None, True
        self._wake_at(self._deadline(candidacy))
        if stream is not None:
            final = view and view.because(Reason.GATEWAY_DRAINING)
            self._effects.append(End(stream, Reason.GATEWAY_DRAINING, final))

    # -- what the store says -----------------------------------------------------------------

    def news(self, term: Term | None, session: str, now: float) -> None:
        """Take in what the watch tells: the latest state, perhaps older than an answer had here."""
        if term is not None and term.session != session:
            self._rival_seen = now
        self._overtaken = self.op is not None
        seat = self.seat
        if seat is None:
            self._recheck_at = math.inf
            self._learn(term)
        elif term is None or term.token > seat.term.token:
            self._doubt = True
        elif term.token == seat.term.token and term.attempt > seat.candidacy.entry.attempt:
            self._vacate(Reason.SUPERSEDED, doom=False)
            self._learn(term)

    def renewed(self, asked: frozenset[int], survivors: frozenset[int], session: str) -> None:
        """Take in a renewal: what was asked to be kept and did not survive is gone."""
        if self.seat is None:
            return
        token = self.seat.term.token
        if self.seat.term.session != session or (token in asked and token not in survivors):
            self._vacate(Reason.BACKEND_LOST, doom=False)
            self._learn(None)

    def acquired(self, term: Term | None, session: str, now: float) -> None:
        """Take in the answer to the Acquire under way."""
        op, self.op, self._unsure = self.op, None, False
        assert isinstance(op, Acquire)
        if self.seat is not None and op.holder == self.seat.candidacy.holder:
            self._confirm(self.seat, op, term, session)
            return
        if not self._overtaken:
            self._hear(term, now)
        candidacy = self.find(op.holder)
        if term is not None and term.session == session:
            self._landed(term, op, candidacy)
        elif candidacy is not None:
            self._not_won(candidacy, op, term)

    def _landed(self, term: Term, op: Acquire, candidacy: Candidacy | None) -> None:
        """A term hangs on this gateway's session: seat its candidate, or end it."""
        alive = term.token > self.buried and term.holder == op.holder
        if alive and candidacy is not None and candidacy.entry.resume in (None, term.token):
            self._take_seat(candidacy, term)
        elif term.holder == op.holder or self.find(term.holder) is None:
            self._doom(term)

    def _take_seat(self, candidacy: Candidacy, term: Term) -> None:
        if self.seat is not None:
            self._vacate(Reason.BACKEND_LOST, doom=False)
        self._remove(candidacy)
        self.known, self._recheck_at, self._doubt = term, math.inf, False
        self.seat = Seat(candidacy, term)
        self._effects.append(Won(term))
        if candidacy.leaving:
            self._vacate(Reason.RESIGNED, doom=True, farewells=candidacy.leaving)
            return
        self._wake_at(self._deadline(candidacy))
        self._tell(candidacy)
        self._tell_queue()

    def _not_won(self, candidacy: Candidacy, op: Acquire, term: Term | None) -> None:
        if op.attempt != candidacy.entry.attempt:
            return  # a newer enter took over meanwhile and is tried next
        same = term is not None and term.holder == candidacy.holder
        if candidacy.entry.resume is not None and op.resume == candidacy.entry.resume:
            self._drop(candidacy, self._why_not_moved(candidacy, term if same else None))
        elif same and term is not None and candidacy.outdone_by(term):
            self._drop(candidacy, Reason.SUPERSEDED)
        elif candidacy.leaving:
            self._drop(candidacy, None)
        elif candidacy.entry.no_wait:
            self._drop(candidacy, Reason.HELD_BY_ANOTHER)

    def _why_not_moved(self, candidacy: Candidacy, term: Term | None) -> Reason:
        """Say why a resume failed; `term` is the candidacy's own, if it leads."""
        if term is None or term.token != candidacy.entry.resume:
            return Reason.EXPIRED
        if candidacy.outdone_by(term):
            return Reason.SUPERSEDED
        return Reason.HELD_BY_OTHER_GATEWAY

    def _confirm(self, seat: Seat, op: Acquire | None, term: Term | None, session: str) -> None:
        """Hold the seat against what the store answered to a question asked after it was won."""
        mine = term is not None and term.token == seat.term.token
        if mine and term is not None and term.session == session:
            seat.term = self.known = term
            if op is not None and seat.wanted is op.value:
                seat.wanted = None
            self._tell(seat.candidacy)
            return
        self._vacate(Reason.SUPERSEDED if mine else Reason.BACKEND_LOST, doom=False)
        self._learn(term)

    def answered(self, term: Term | None, session: str, now: float) -> None:
        """Take in the answer to the Read under way."""
        self.op, self._unsure = None, False
        if self.seat is not None:
            self._confirm(self.seat, None, term, session)
            return
        if not self._overtaken:
            self._hear(term, now)
        for candidacy in [c for c in self.queue.values() if c.leaving]:
            if term is None or term.holder != candidacy.holder:
                self._drop(candidacy, None)

    def _hear(self, term: Term | None, now: float) -> None:
        """Learn from an answer; what the watch never confirms is read again."""
        if self.seat is not None:
            self._doubt = self._doubt or term is None or term.token > self.seat.term.token
            return
        self._learn(term)
        self._recheck_at = math.inf
        if term is not None and self.queue:
            self._recheck_at = now + RECHECK
            self._effects.append(Later(RECHECK))

    def released(self, now: float) -> None:
        """Take in that the Release under way is done: the term is over for everybody."""
        op, self.op = self.op, None
        assert isinstance(op, Release)
        _, farewells = self.doomed.pop(op.term.token)
        for farewell in farewells:
            self._effects.append(End(farewell, None, None, op.term))
        if not self._overtaken and self.known and self.known.token <= op.term.token:
            self._learn(None)
        self._releases += 1
        if now - self._rival_seen < RIVAL_MEMORY or self._releases % COURTESY == 0:
            delay = self.pause()
            self._not_before = now + delay
            self._effects.append(Later(delay))

    def failed(self) -> None:
        """The operation under way ended without an answer."""
        op, self.op = self.op, None
        if isinstance(op, Acquire):
            self._unsure = True
            candidacy = self.find(op.holder)
            if candidacy is not None and candidacy.entry.no_wait and candidacy is not self._seated:
                self._drop(candidacy, Reason.BACKEND_UNAVAILABLE)
        elif isinstance(op, Read) and self.seat is not None:
            self._doubt = True

    def rejected(self) -> None:
        """The store refused the Acquire under way for good: so is the candidacy's wish."""
        op, self.op = self.op, None
        assert isinstance(op, Acquire)
        candidacy = self.find(op.holder)
        if candidacy is None:
            return
        if candidacy is not self._seated or self.seat is None:
            self._drop(candidacy, Reason.BACKEND_REJECTED)
            return
        self.seat.wanted = None
        stream = candidacy.stream
        if stream is not None:
            self._effects.append(End(stream, Reason.BACKEND_REJECTED, None))
            self.disconnected(candidacy, stream)

    # -- what comes out ----------------------------------------------------------------------

    def take(self) -> list[Effect]:
        """Hand over the effects since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects

    def next_op(self, now: float, session: Session) -> Op | None:
        """Begin the next store operation; its answer comes back by one of the events above."""
        if self.op is not None:
            return None
        self.op = self._choose(now, session)
        self._overtaken = False
        if isinstance(self.op, Read):
            self._doubt = False
        return self.op

    def _choose(self, now: float, session: Session) -> Op | None:
        known = self.known
        if self.seat is None and known is not None:
            self._reconcile(known, session)
        for term, _ in self.doomed.values():
            return Release(term)
        for candidacy in self.arriving.values():
            return candidacy.acquire(candidacy.entry.resume, candidacy.entry.value)
        if self.seat is not None:
            return self._for_seat(self.seat)
        return self._bid(now, session) or self._look(now)

    def _reconcile(self, known: Term, session: Session) -> None:
        """End what hangs on the session for nobody; drop who leads elsewhere by a newer attempt."""
        own = self.find(known.holder)
        if known.session == session.name:
            if own is None or known.token <= self.buried:
                self._doom(known)
        elif own is not None and own.entry.resume is None and own.outdone_by(known):
            self._drop(own, Reason.SUPERSEDED)

    def _for_seat(self, seat: Seat) -> Op | None:
        if self._doubt:
            return Read()
        if seat.wanted is not None or seat.unconfirmed:
            return seat.candidacy.acquire(seat.term.token, seat.wanted)
        return None

    def _bid(self, now: float, session: Session) -> Acquire | None:
        known = self.known
        if known is not None and known.holder in self.queue:
            own = self.queue[known.holder]
            if known.session == session.name:
                return own.acquire(None, own.entry.value)  # heals an unknown outcome
            if self.moves_terms and known.attempt < own.entry.attempt:
                return own.acquire(known.token, own.entry.value)
        if self.draining or now < self._not_before or session.standing(now) != Standing.SOUND:
            return None
        head = self._head(now)
        if head is None or (known is not None and not head.entry.no_wait):
            return None
        return head.acquire(None, head.entry.value)

    def _look(self, now: float) -> Read | None:
        """Read what may be wrong: after an unknown outcome, a leader that the watch never told."""
        waited_for = self.known is not None and bool(self.queue)
        return Read() if self._unsure or (waited_for and now >= self._recheck_at) else None

    def _head(self, now: float) -> Candidacy | None:
        """Find the first that is there to lead; the silent keep their place, passed over."""
        for candidacy in self.queue.values():
            if candidacy.present(now, 2 * min(candidacy.entry.ttl, self.backend_ttl) / 3):
                return candidacy
        return None

    def view(self, candidacy: Candidacy, session: Session, now: float) -> View | None:
        """Tell a candidate's whole present state; None while the store has not decided yet."""
        seat = self.seat
        if seat is not None and candidacy is seat.candidacy:
            if candidacy.parting:
                return View(State.LOST, seat.term, reason=Reason.GATEWAY_DRAINING)
            return None if seat.unconfirmed else self._leading(seat, session, now)
        if candidacy.holder in self.arriving or candidacy.leaving or candidacy.entry.no_wait:
            return None
        position = bisect_left(self._tickets, candidacy.ticket) + 1
        return View(State.WAITING, self.known, position=position, sequence=candidacy.sequence)

    def _leading(self, seat: Seat, session: Session, now: float) -> View:
        candidacy = seat.candidacy
        sound = session.standing(now) is Standing.SOUND
        trust = session.trust(candidacy.counted, candidacy.entry.ttl) if candidacy.timed else None
        state = State.LEADING if sound else State.JEOPARDY
        return View(state, seat.term, sequence=candidacy.sequence, trust=trust)

    def claims(self) -> Iterator[Claim]:
        """List what the session must keep for this election."""
        if self.seat is not None:
            yield Claim(self.election, self.seat.term.token)
        if self._unsure or isinstance(self.op, Acquire):
            yield Claim(self.election, None)

    @property
    def idle(self) -> bool:
        """Whether nothing would be forgotten with this ballot."""
        busy = self.seat or self.queue or self.arriving or self.doomed or self.op or self._unsure
        return not busy

    @property
    def waiting(self) -> int:
        return len(self.queue)

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
        yield from self.queue.values()
        yield from self.arriving.values()

    def _asked_for(self, candidacy: Candidacy) -> bool:
        return isinstance(self.op, Acquire) and self.op.holder == candidacy.holder

    def _deadline(self, candidacy: Candidacy) -> float:
        silent = candidacy.timed or candidacy.stream is None
        return candidacy.heard + candidacy.entry.ttl if silent else math.inf

    def _wake_at(self, instant: float) -> None:
        self.wake = min(self.wake, instant)

    def _tell(self, candidacy: Candidacy) -> None:
        if candidacy.stream is not None:
            self._effects.append(Tell(candidacy.stream))

    def _tell_queue(self) -> None:
        for candidacy in self.queue.values():
            self._tell(candidacy)

    def _learn(self, term: Term | None) -> None:
        changed = (term and term.token) != (self.known and self.known.token)
        self.known = term
        if changed:
            self._tell_queue()

    def _supersede(self, candidacy: Candidacy, reason: Reason = Reason.SUPERSEDED) -> None:
        """End an older stream; that says nothing of the term."""
        if candidacy.stream is not None:
            view = View(State.LOST, self.seat.term if self.seat else None, reason=reason)
            self._effects.append(End(candidacy.stream, reason, view))
            candidacy.stream = None

    def _vacate(
        self, reason: Reason | None, *, doom: bool, farewells: list[Farewell] | None = None
    ) -> None:
        """Stop leading first; with `doom` the store is told next, and the token is dead here."""
        assert self.seat is not None
        (candidacy, term), self.seat = (self.seat.candidacy, self.seat.term), None
        self._doubt = False
        self._effects.append(Gone(term, reason))
        if candidacy.stream is not None and reason is not None:
            why = Reason.GATEWAY_DRAINING if candidacy.parting else reason
            self._effects.append(End(candidacy.stream, why, View(State.LOST, term, reason=why)))
        candidacy.stream = None
        if reason is not Reason.SUPERSEDED:
            self.buried = max(self.buried, term.token)
        if doom:
            self._doom(term, farewells)

    def _doom(self, term: Term, farewells: list[Farewell] | None = None) -> None:
        self.buried = max(self.buried, term.token)
        _, waiting = self.doomed.setdefault(term.token, (term, []))
        waiting.extend(farewells or ())

    def _dismiss(self, farewells: list[Farewell], reason: Reason) -> None:
        for farewell in farewells:
            self._effects.append(End(farewell, reason, None))
        farewells.clear()

    def _drop(self, candidacy: Candidacy, reason: Reason | None) -> None:
        """End a candidacy that does not lead; None: it asked to leave."""
        self._remove(candidacy)
        final = reason in (Reason.EXPIRED, Reason.SUPERSEDED, Reason.RESIGNED)
        view = View(State.LOST, None, reason=reason) if final else None
        streams = [*candidacy.leaving, *([candidacy.stream] if candidacy.stream else [])]
        candidacy.stream = None
        self._effects.extend(End(stream, reason, view) for stream in streams)

    def _remove(self, candidacy: Candidacy) -> None:
        self.arriving.pop(candidacy.holder, None)
        if self.queue.pop(candidacy.holder, None) is not None:
            del self._tickets[bisect_left(self._tickets, candidacy.ticket)]
