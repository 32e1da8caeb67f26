"""Leadership on one gateway: every ballot, the one session in the store, the one watch.

    clients ── Campaign ──► Ballot (one an election, pure) ── next_op ──► Store ──► Backend
                              ▲          │ effects                          │
                              └──────────┴──────── answers, news ◄──────────┘

Three tasks run beside the ballots' workers: the Keeper renews the session, the Follower reads the
watch, and `_judge` ends silent candidacies, and everything when the session is lost.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self

from incumbent_backends.api import (
    Backend,
    BackendError,
    Claim,
    Rejected,
    Snapshot,
    Term,
    Unavailable,
)
from incumbent_server.ballot import Ballot
from incumbent_server.campaign import Campaign, Resignation
from incumbent_server.candidacy import (
    Acquire,
    Answer,
    Candidacy,
    Census,
    Effect,
    End,
    Entry,
    Gone,
    Later,
    Op,
    Release,
    Tell,
    View,
    Won,
)
from incumbent_server.clock import World
from incumbent_server.follower import Follower
from incumbent_server.graves import Graves
from incumbent_server.keeper import Keeper
from incumbent_server.observers import Observer, Observers
from incumbent_server.picture import Picture
from incumbent_server.reasons import Reason, Refused, refused
from incumbent_server.retry import Retry
from incumbent_server.session import Standing
from incumbent_server.silence import PULSE, Silence
from incumbent_server.store import Store, Witness

BURIED = 50_000  # elections whose last token ended here is remembered after the ballot is forgotten
GLANCE = 0.005  # seconds between two looks at what the watch has told
HINDSIGHT = 1.0  # seconds for which a new observer waits for the watch, at most
TRIES = 5  # of a unary Resign against a client that goes on moving


class Elector:
    """The gateway's part in every election of a namespace, over an opened `backend`.

    `async with` starts it: it returns at once and is `ready` when the store has answered.
    `backend_ttl` is what the backend was opened with; `capacity` the candidates an election.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        backend_ttl: timedelta,
        capacity: int,
        world: World,
        witness: Witness,
    ) -> None:
        self._backend = backend
        self._ttl = backend_ttl.total_seconds()
        self._capacity = capacity
        self._world = world
        self._witness = witness
        self._store = Store(backend, self._ttl / 3, world, witness)
        self._retry = Retry(world)
        self._keeper = Keeper(backend, self._store, self._ttl, world, witness, self)
        self._changed = asyncio.Event()
        self._follower = Follower(backend, world, witness, self._learn, self._listed)
        self._draining = False
        self._ballots: dict[str, Ballot] = {}
        self._buried: dict[str, int] = {}  # of forgotten ballots: a late release may still land
        self._working: set[str] = set()
        self._silence = Silence(world.now())
        self._observers = Observers()
        self._group = asyncio.TaskGroup()
        self._tasks: dict[asyncio.Task[None], None] = {}  # in the order in which they began

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        for loop in (self._keeper.run, self._follower.run, self._judge):
            self._spawn(loop())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in list(self._tasks):
            task.cancel()
        if isinstance(error, asyncio.CancelledError):  # perhaps a task of the group that failed
            await self._group.__aexit__(kind, error, trace)
        else:
            await self._group.__aexit__(None, None, None)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._group.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    # -- what the service asks ---------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether the session stands and the whole state was read once."""
        return self._follower.synced and not self._lost and not self._draining

    @property
    def _lost(self) -> bool:
        return self._keeper.standing is Standing.LOST

    async def changed(self) -> None:
        """Wait until `ready` may have changed. For one caller at a time."""
        await self._changed.wait()
        self._changed.clear()

    async def until_ready(self) -> None:
        while not self.ready:
            await self.changed()

    def good_for(self) -> float:
        """Seconds for which the store has confirmed that it keeps the session."""
        return self._keeper.session.good_until - self._world.now()

    def census(self) -> Census:
        """Count the candidates of all elections, by state."""
        led = sum(ballot.seat is not None for ballot in self._ballots.values())
        sound = self._keeper.standing is Standing.SOUND
        return {
            "waiting": sum(len(ballot.queue) for ballot in self._ballots.values()),
            "leading": led if sound else 0,
            "jeopardy": 0 if sound else led,
        }

    def campaign(self, election: str, entry: Entry, changed: Callable[[], None]) -> Campaign:
        """Enter an election; whatever comes of it is told by the Campaign."""
        self._keeper.check()
        campaign = Campaign(self, changed)
        if self._lost and not self._draining:
            campaign.finish(End(campaign, Reason.BACKEND_UNAVAILABLE, None))
            return campaign
        ballot = self._ballot(election)
        campaign.admitted(ballot, ballot.enter(entry, campaign, self._world.now()))
        self._settle(ballot)
        return campaign

    async def resign(self, election: str, holder: str) -> Term | None:
        """End the term or the wait of `holder`; the term that ended, None for a waiting one."""
        self._keeper.check()
        if self._lost:
            raise refused(Reason.BACKEND_UNAVAILABLE, election)
        for _ in range(TRIES):
            end = await self._resign_once(election, holder)
            if end.reason is None:
                return end.term
            if end.reason not in (Reason.SUPERSEDED, Reason.EXPIRED):
                raise refused(end.reason, election)
        raise refused(Reason.NOT_LEADER, election)

    async def _resign_once(self, election: str, holder: str) -> End:
        waiter = Resignation()
        ballot = self._ballots.get(election)
        candidacy = ballot.find(holder) if ballot is not None else None
        if ballot is None or candidacy is None:
            return await self._resign_elsewhere(election, holder, waiter)
        ballot.resign(candidacy, waiter)
        self._settle(ballot)
        end = await waiter.done
        if end.reason is not None or end.term is not None:
            return end
        try:  # it only waited here; by a newer attempt it may lead on another gateway
            return await self._resign_elsewhere(election, holder, Resignation())
        except Refused as refusal:
            if refusal.reason is not Reason.NOT_LEADER:
                raise
            return end

    async def _resign_elsewhere(self, election: str, holder: str, waiter: Resignation) -> End:
        """Move the term here, then release it."""
        term = (await self.read(election)).term
        if term is None or term.holder != holder:
            raise refused(Reason.NOT_LEADER, election)
        if term.session != self._keeper.session.name and not self._backend.limits.moves_terms:
            raise refused(Reason.HELD_BY_OTHER_GATEWAY, election)
        entry = Entry(
            holder=holder,
            attempt=term.attempt + 1,
            candidate=term.candidate,
            value=None,
            ttl=self._ttl,
            keep=True,
            resume=term.token,
        )
        ballot = self._ballot(election)
        if term.token <= ballot.graves.buried and term.session != self._keeper.session.name:
            raise refused(
                Reason.HELD_BY_OTHER_GATEWAY, election
            )  # it had left as it was ended here
        candidacy = ballot.enter(entry, waiter, self._world.now())
        if candidacy is not None:
            ballot.resign(candidacy, waiter)
        self._settle(ballot)
        return await waiter.done

    async def read(self, election: str) -> Snapshot:
        """Read an election from the store, now; Refused when it does not answer."""
        try:
            return await self._store.read(election)
        except BackendError as error:
            raise refused(Reason.BACKEND_UNAVAILABLE, election) from error

    def elections(self, prefix: str) -> dict[str, tuple[Term | None, int]]:
        """List led and contended elections: the term as last heard, the candidates waiting here."""
        waiting = {
            name: len(ballot.queue) for name, ballot in self._ballots.items() if ballot.queue
        }
        led = {n: ballot.seat.term for n, ballot in self._ballots.items() if ballot.seat}
        led |= {n: term for n, term in self._follower.leaders.items() if not self._untold(n)}
        names = {name for name in (*led, *waiting) if name.startswith(prefix)}
        return {name: (led.get(name), waiting.get(name, 0)) for name in names}

    async def observe(self, *, election: str | None = None, prefix: str = "") -> Observer:
        """Open a reader that holds the whole present state; give it back to `unobserve`.

        It is not older than what this gateway has told those who lead here.
        """
        names = {*self._ballots, *self._follower.leaders} if election is None else {election}
        await self._told_of(names, prefix)
        if self._draining or not self._follower.synced:
            reason = Reason.GATEWAY_DRAINING if self._draining else Reason.BACKEND_UNAVAILABLE
            raise refused(reason, election or f"{prefix}*")
        if election is not None:
            observer = Observer(election, {election: self._follower.leaders.get(election)})
        else:
            led = {n: term for n, term in self._follower.leaders.items() if n.startswith(prefix)}
            observer = Observer(prefix, led)
        self._observers.add(observer)
        return observer

    async def _told_of(self, elections: Iterable[str], prefix: str) -> None:
        """Wait until the watch has told what this gateway knows better."""
        behind = {name for name in elections if name.startswith(prefix) and self._untold(name)}
        deadline = self._world.now() + HINDSIGHT
        while behind and self._world.now() < deadline:
            await self._world.sleep(GLANCE)
            behind = {name for name in behind if self._untold(name)}

    def _untold(self, election: str) -> bool:
        """Whether clients here have heard of a win or an end that the watch did not tell yet."""
        ballot, told = self._ballots.get(election), self._follower.leaders.get(election)
        seat = ballot.seat if ballot is not None else None
        if seat is not None:
            return told is None or told.token < seat.term.token
        buried = ballot.graves.buried if ballot is not None else self._buried.get(election, 0)
        here = told is not None and told.session == self._keeper.session.name
        return here and told is not None and told.token <= buried

    def unobserve(self, observer: Observer) -> None:
        self._observers.discard(observer)

    async def drain(self, patience: float) -> None:
        """Stop leading; return when no client trusts this gateway, or after `patience` seconds."""
        self._draining = True
        self._changed.set()
        self._observers.finish()
        for ballot in list(self._ballots.values()):
            ballot.drain(self._keeper.session, self._world.now())
            self._settle(ballot)
        deadline = self._world.now() + patience
        while self._busy() and self._world.now() < deadline:
            await self._world.sleep(PULSE)

    # -- what a Campaign does ----------------------------------------------------------------

    def view(self, ballot: Ballot, candidacy: Candidacy) -> View | None:
        return ballot.view(candidacy, self._keeper.session, self._world.now())

    def pace(self, ttl: float) -> float:
        return min(ttl, self._ttl) / 3 * self._world.uniform(0.8, 1.0)

    def heartbeat(self, ballot: Ballot, candidacy: Candidacy, sequence: int) -> Answer | None:
        """Count a heartbeat; None where a whole view has to be told."""
        now, session = self._world.now(), self._keeper.session
        if now >= session.lost_at:
            self._keeper.check()
        ballot.heartbeat(candidacy, sequence, now)
        seat = ballot.seat
        if seat is None:
            self._settle(ballot)
            return None
        self._silence.expect(ballot.election, ballot.wake)
        plain = seat.candidacy is candidacy and not (seat.unconfirmed or candidacy.parting)
        if not plain or session.standing(now) is not Standing.SOUND:
            return None
        ttl = candidacy.entry.ttl
        return Answer(seat.term, session.trust(now, ttl), self.pace(ttl))

    def proclaim(self, ballot: Ballot, candidacy: Candidacy, value: bytes) -> bool:
        leads = ballot.proclaim(candidacy, value, self._world.now())
        self._settle(ballot)
        return leads

    def resign_stream(self, ballot: Ballot, candidacy: Candidacy, campaign: Campaign) -> None:
        ballot.resign(candidacy, campaign)
        self._settle(ballot)

    def disconnected(self, ballot: Ballot, candidacy: Candidacy, campaign: Campaign) -> None:
        ballot.disconnected(candidacy, campaign)
        self._settle(ballot)

    # -- one ballot --------------------------------------------------------------------------

    def _ballot(self, election: str) -> Ballot:
        ballot = self._ballots.get(election)
        if ballot is None:
            ballot = Ballot(
                election,
                self._ttl,
                self._backend.limits.moves_terms,
                lambda: self._world.uniform(0.01, 0.05),
                self._capacity,
                Picture(self._follower.leaders.get(election)),
                self._draining,
                graves=Graves(self._buried.pop(election, 0), self._keeper.session.name),
            )
            self._ballots[election] = ballot
        return ballot

    def _settle(self, ballot: Ballot) -> None:
        """After each event: tell what changed, begin what is due, forget what is over."""
        if ballot.election not in self._working:
            if ballot.next_op(self._world.now(), self._keeper.session) is not None:
                self._working.add(ballot.election)
                self._spawn(self._work(ballot))
            elif ballot.idle and self._ballots.get(ballot.election) is ballot:
                self._forget(ballot)
        for effect in ballot.take():
            self._apply(ballot, effect)
        self._silence.expect(ballot.election, ballot.wake)

    def _forget(self, ballot: Ballot) -> None:
        del self._ballots[ballot.election]
        if ballot.graves.buried:
            self._buried[ballot.election] = ballot.graves.buried
            if len(self._buried) > BURIED:
                del self._buried[next(iter(self._buried))]

    def _apply(self, ballot: Ballot, effect: Effect) -> None:
        match effect:
            case Tell(Campaign() as campaign):
                campaign.tell()
            case End(Campaign() | Resignation() as listener):
                listener.finish(effect)
            case Later(instant):
                self._spawn(self._later(ballot, instant))
            case Won(term, resumed):  # after who was told wakes up: a log line takes its time
                loop = asyncio.get_running_loop()
                loop.call_soon(partial(self._witness.won, term, resumed=resumed))
            case Gone(term, reason):
                asyncio.get_running_loop().call_soon(self._witness.gone, term, reason)

    async def _later(self, ballot: Ballot, instant: float) -> None:
        while (left := instant - self._world.now()) > 0:  # a timer may fire a little early
            await self._world.sleep(left)
        self._settle(ballot)

    async def _work(self, ballot: Ballot) -> None:
        """Do what the ballot asks of the store, one operation at a time, until it asks nothing."""
        more = True
        while more:
            try:
                more = await self._step(ballot)
            except Unavailable:
                more = await self._retry.unavailable(self._step, ballot)
        self._working.discard(ballot.election)
        self._settle(ballot)

    async def _step(self, ballot: Ballot) -> bool:
        await self._keeper.hope.wait()
        op = ballot.op or ballot.next_op(self._world.now(), self._keeper.session)
        if op is None:
            return False
        try:
            await self._perform(ballot, op)
        except Unavailable:
            ballot.failed()
            self._keeper.doubt()
            raise
        except Rejected as error:
            if not isinstance(op, Acquire):
                ballot.failed()
                raise Unavailable(str(error)) from error
            ballot.rejected()
        finally:
            if self._lost:
                ballot.session_lost(self._keeper.session.good_until)
            self._settle(ballot)
        return True

    async def _perform(self, ballot: Ballot, op: Op) -> None:
        match op:
            case Acquire():
                answer = await self._store.acquire(ballot.election, op)
                self._keeper.check()
                ballot.acquired(answer.term, self._backend.session, self._world.now())
            case Release(term):
                await self._store.release(term)
                ballot.released(self._world.now())
            case _:
                answer = await self._store.read(ballot.election)
                ballot.answered(answer.term, self._backend.session, self._world.now())

    # -- what the session and the watch tell -------------------------------------------------

    def claims(self) -> Iterator[Claim]:
        """List what the session must keep."""
        now = self._world.now()
        for ballot in self._ballots.values():
            yield from ballot.claims(now)

    def renewed(self, asked: frozenset[int], survivors: frozenset[int], session: str) -> None:
        """Take in a renewal."""
        for ballot in [each for each in self._ballots.values() if each.seat is not None]:
            ballot.renewed(asked, survivors, session)
            self._settle(ballot)

    def reborn(self) -> None:
        """Another session has replaced the one before: no release of that one reaches it."""
        self._buried.clear()
        for ballot in self._ballots.values():
            ballot.graves.new_session()

    def stood(self, standing: Standing) -> None:
        """Act on the session's new standing."""
        for ballot in list(self._ballots.values()):
            if standing is Standing.LOST:
                ballot.session_lost(self._keeper.session.good_until)
            else:
                ballot.jeopardy()
            self._settle(ballot)
        self._changed.set()

    def _learn(self, election: str, term: Term | None, vacated: bool) -> None:
        mine = term is not None and term.session == self._backend.session
        ballot = self._ballot(election) if mine else self._ballots.get(election)
        if ballot is not None:
            ballot.news(term, self._backend.session, self._world.now())
            self._settle(ballot)
        self._observers.publish(election, term, vacated=vacated)

    def _listed(self) -> None:
        """The watch has told the whole state: what it left out is not led."""
        for ballot in list(self._ballots.values()):
            if ballot.seat is not None and ballot.election not in self._follower.leaders:
                ballot.news(None, self._backend.session, self._world.now())
                self._settle(ballot)
        self._changed.set()

    # -- silence -----------------------------------------------------------------------------

    async def _judge(self) -> None:
        while True:
            self._keeper.check()
            now = self._world.now()
            for election in self._silence.due(now):
                if (ballot := self._ballots.get(election)) is not None:
                    if ballot.wake <= now:
                        ballot.tick(now)
                    self._settle(ballot)
            session = self._keeper.session
            planned = self._silence.plan(now, session.jeopardy_at, session.lost_at)
            await self._world.sleep(planned - now)

    def _busy(self) -> bool:
        return any(ballot.busy for ballot in self._ballots.values())
