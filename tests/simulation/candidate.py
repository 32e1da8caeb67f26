"""One credential of a client: what it sends, what it may believe, when it gives up.

The client rules of contract.md, by number: 1 `_judge` and `_trusted`, 2 `_overdue` and `_move`,
3 `_enter`, 4 `campaign`.
"""

import asyncio
import math
from itertools import count
from typing import TYPE_CHECKING

from incumbent_server.candidacy import Entry, State, View
from tests.histories.events import Broke, Called, Entered, Outcome, Returned, Waiting
from tests.simulation.belief import Belief
from tests.simulation.legs import Leg, Wishes, resign
from tests.simulation.loop import Process
from tests.simulation.messages import (
    ELSEWHERE,
    LOST,
    Enter,
    Heartbeat,
    Over,
    Present,
    Proclaim,
)
from tests.simulation.world import SimWorld

if TYPE_CHECKING:
    from tests.simulation.client import Site

UNARY_TRIES = 4
BACK_OFF = 0.05  # seconds before entering anew when a stream has ended


class Candidate:
    def __init__(
        self, name: str, site: "Site", world: SimWorld, process: Process, wishes: Wishes
    ) -> None:
        self.name, self.site, self.world, self.process = name, site, world, process
        self.wishes = wishes
        self.gateway = wishes.gateway
        self.ttl = wishes.ttl
        self.attempt = 0
        self.legs: list[Leg] = []
        self.token: int | None = None
        self.belief = Belief(site.history, world, name, wishes.election)
        self.trust_for = math.inf
        self.over = ""
        self._refusals = 0
        self.content = False  # it led, or need not any more
        self._act_at = math.inf
        self._proclaim_at = math.inf
        self._move_at = math.inf
        self._began = world.now()
        self._wake = asyncio.Event()
        self._values = count(1)

    # -- the life of a candidacy -------------------------------------------------------------

    async def campaign(self) -> None:
        self._enter()
        while not self.over:
            await self._pause()
            self._judge()
            if not self.over:
                self._act()
        self.belief.end(self.over)
        self.note("over", self.over)
        if self.over == "resigns":
            await self._farewell()
        for leg in self.legs:
            leg.close()

    def hurry(self) -> None:
        self.wishes.hold, self.wishes.patience = 0.2, math.inf
        if self.token is not None:
            self._act_at = min(self._act_at, self.world.now() + 0.2)
        self._wake.set()

    async def _pause(self) -> None:
        """Sleep until something arrived or is due."""
        leg = self.legs[-1]
        dues = [leg.beat_at, self._act_at, self._proclaim_at, self._move_at, self._overdue(leg)]
        if self.belief.on:
            dues.append(self.belief.until)
        if self.token is None:
            dues.append(self._began + self.wishes.patience)
        due = max(min(dues) - self.world.now(), 0.0)
        timer = None
        if due < math.inf:
            timer = self.site.loop.call_later(due / 0.99 + 1e-6, self._wake.set)
        await self._wake.wait()
        self._wake.clear()
        if timer is not None:
            timer.cancel()

    def _judge(self) -> None:
        if self.belief.on and self.world.now() >= self.belief.until:
            self._end("trust ran out")

    def _act(self) -> None:
        now, leg = self.world.now(), self.legs[-1]
        if self.token is None and now >= self._began + self.wishes.patience:
            self._end("resigns")
        elif now >= self._act_at:
            self._end("closes" if self.wishes.ending == "close" else "resigns")
        elif now >= min(self._overdue(leg), self._move_at):
            self._move("no answer" if now < self._move_at else "stream ended")
        else:
            if now >= leg.beat_at:
                self._beat(leg)
            if now >= self._proclaim_at:
                self._proclaim_at = math.inf
                leg.stream.up.send(Proclaim(b"%d" % next(self._values)))

    def _end(self, why: str) -> None:
        self.over = self.over or why
        self._wake.set()

    # -- sending -----------------------------------------------------------------------------

    def _enter(self) -> None:
        now = self.world.now()
        self.attempt += 1
        if self.attempt > 1 and self.wishes.shorter:
            self.ttl = max(1.0, self.ttl / 2)
        if self.belief.on:
            self.belief.trust(min(self.belief.until, now + self.ttl))
        gateway = self.site.gateways[self.gateway]
        stream = self.site.network.connect(self.process, gateway.process)
        leg = Leg(self, stream, self.attempt, now)
        stream.down.end = leg
        self.legs.append(leg)
        entry = Entry(
            holder=self.name,
            attempt=self.attempt,
            candidate=self.name,
            value=b"new" if self.attempt == 1 else None,
            ttl=self.ttl,
            keep=self.wishes.keep,
            no_wait=self.wishes.no_wait and self.token is None,
            resume=self.token,
        )
        where = f"at {gateway.name}, resumes {self.token}"
        self.site.history.record(Entered, self.name, self.wishes.election, self.attempt, note=where)
        self.site.network.at(self.site.loop.time(), gateway.process.call, gateway.accept, stream)
        stream.up.send(Enter(self.wishes.election, entry))

    def _beat(self, leg: Leg) -> None:
        leg.sequence += 1
        leg.sent[leg.sequence] = self.world.now()
        leg.beat_at = math.inf  # until the answer says when
        leg.stream.up.send(Heartbeat(leg.sequence))

    def _move(self, why: str) -> None:
        """Go on at the next gateway, while trust runs."""
        self.note("moves", why)
        self._move_at = math.inf
        self.gateway = (self.gateway + 1) % len(self.site.gateways)
        self._enter()

    def _overdue(self, leg: Leg) -> float:
        if leg.ended:
            return math.inf
        patience = self.trust_for / 3 if self.belief.on else self.ttl / 2
        return leg.unanswered() + min(patience, self.ttl)

    async def _farewell(self) -> None:
        """Belief has ended; tell the gateway, on the stream or through another one."""
        leg = None if self.wishes.ending == "unary" and self.token is not None else self.legs[-1]
        gateways = self.site.gateways
        others = [gateways[(self.gateway + n) % len(gateways)] for n in range(1, UNARY_TRIES + 1)]
        history, election = self.site.history, self.wishes.election
        history.record(Called, self.name, "farewell", "resign", election, self.token)
        over = await resign(self, leg, others)
        outcome: Outcome = "unknown"
        if over is not None and over.reason not in ELSEWHERE:
            outcome = "ok" if over.reason is None else "failed"
        token = over.term.token if over is not None and over.term is not None else None
        why = "no answer" if over is None else str(over.reason or "")
        history.record(Returned, self.name, "farewell", outcome, token, note=why)

    # -- reading -----------------------------------------------------------------------------

    def read(self, leg: Leg, message: object) -> None:
        self._wake.set()
        if self.over:
            return
        newest = self.legs[-1]
        if leg is not newest and newest.answered >= 0:
            return
        if leg is newest:  # a stream without heartbeats that stayed open would lead for nobody
            for older in self.legs[:-1]:
                older.close()
        match message:
            case Present(view, pace):
                self._refusals = 0
                leg.answered = max(leg.answered, view.sequence)
                if self.wishes.beats and leg.beat_at == math.inf and leg is newest:
                    leg.beat_at = self.world.now() + pace
                self._take(leg, view)
            case Over(reason, view):
                leg.ended = True
                if view is not None:
                    self._take(leg, view)
                if leg is newest and not self.over:
                    self._status(reason)

    def _status(self, reason: object) -> None:
        if reason is None or reason in ELSEWHERE:
            self.note("turned away", str(reason))
            self._move_at = self.world.now() + self._back_off()
        elif reason in LOST:
            self._end(f"lost: {reason}")
        else:
            self.content = True
            self._end(f"refused: {reason}")

    def left(self, leg: Leg) -> None:
        self._wake.set()
        if leg is self.legs[-1]:
            self._move_at = self.world.now() + self._back_off()

    def _back_off(self) -> float:
        self._refusals += 1
        return min(0.5, BACK_OFF * self._refusals)

    def _take(self, leg: Leg, view: View) -> None:
        if view.state is State.LOST:
            if leg is self.legs[-1]:
                self._end(f"lost: {view.reason}")
            return
        if view.state is State.WAITING:
            if leg.resumes is not None:
                self._violate("told WAITING on a resume")
            token = view.term.token if view.term is not None else None
            self.site.history.record(Waiting, self.name, self.wishes.election, token)
            return
        assert view.term is not None
        self._lead(leg, view, view.term.token)
        if view.state is State.JEOPARDY and leg is self.legs[-1] and not (self.over or leg.ended):
            self._move("jeopardy")

    def _lead(self, leg: Leg, view: View, token: int) -> None:
        if leg.resumes not in (None, token):
            self._violate(f"told to lead under #{token} on a resume of #{leg.resumes}")
        if self.token not in (None, token):
            self._end(f"lost: leads again, under #{token}")  # it never knew that it had led
            return
        if view.term is not None and view.term.holder != self.name:
            self._violate(f"told to lead as {view.term.holder}")
        if self.token is None:
            self.token, now = token, self.world.now()
            self._act_at = now + self.wishes.hold
            self._proclaim_at = now + self.wishes.hold / 2 if self.wishes.proclaims else math.inf
            self.note("leads")
        self.content = True
        if view.trust is None:
            self._trusted(math.inf, leg.sent[view.sequence])
            return
        self.trust_for = max(view.trust, 0.05)
        newest = self.legs[-1]
        cap = math.inf if leg is newest else newest.sent[0] + self.ttl
        sent = leg.sent[view.sequence]
        self._trusted(min(cap, sent + view.trust), sent)
        if not self.belief.on and leg.beat_at < math.inf:
            leg.beat_at = self.world.now()  # won with no trust left

    def _trusted(self, until: float, sent: float) -> None:
        now = self.world.now()
        if self.belief.on:
            if now >= self.belief.until or now >= until:
                self._end("trust ran out")
            else:
                self.belief.trust(until, sent)
                self._write()
        elif until > now:
            assert self.token is not None
            self._write()
            self.belief.begin(self.token, until, sent, guarded=self.wishes.keep)

    def _write(self) -> None:
        """Write to the fenced register, as a leader does; it may arrive long after."""
        assert self.token is not None
        self.site.register.write(self.wishes.election, self.token, self.name)

    def note(self, what: str, detail: str = "") -> None:
        self.site.history.note(self.name, what, self.wishes.election, self.token, detail)

    def _violate(self, says: str) -> None:
        self.site.history.record(Broke, self.name, says, self.wishes.election, self.token)
