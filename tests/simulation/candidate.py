"""One credential of a client: the SDK's own Candidacy decides, this carries out and records.

It stands where `incumbent._campaign` stands in the SDK: it hands over what `next` asks for, reports
what comes back, and lets the older streams go once a newer one is answered. What only a client
with other manners does is in `foreign.py`.
"""

import asyncio
import math
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

from incumbent._state import DRAINING, Candidacy, Enter
from incumbent_server.candidacy import Entry
from tests.histories.events import Broke, Called, Entered, Held, Outcome, Returned, Waiting
from tests.simulation import foreign, messages
from tests.simulation.belief import Belief
from tests.simulation.legs import Leg, Wishes, resign
from tests.simulation.loop import Process
from tests.simulation.messages import Heartbeat, Over, Present, Proclaim, Resign
from tests.simulation.world import GRAIN, SimWorld

if TYPE_CHECKING:
    from tests.simulation.client import Site

UNARY_TRIES = 4
RESTLESS = 0.4  # chance of a move at each write


class Candidate:
    def __init__(
        self, name: str, site: "Site", world: SimWorld, process: Process, wishes: Wishes
    ) -> None:
        self.name, self.site, self.world, self.process = name, site, world, process
        self.wishes = wishes
        self.legs: list[Leg] = []
        kind = Candidacy if wishes.beats else foreign.Silent
        self.state = kind(
            ttl=wishes.ttl if wishes.beats else math.inf,
            gateways=len(site.gateways),
            keep=wishes.keep,
            jitter=world.rng.random,
            gateway=wishes.gateway,
        )
        self.belief = Belief(site.history, world, name, wishes.election)
        self.content = False  # it led, or need not any more
        self.meddlers: list[Callable[[int], None]] = []  # told of the token that it leads under
        self._act_at = math.inf
        self._proclaim_at = math.inf
        self._work_at = math.inf
        self._give_up_at = world.now() + wishes.patience
        self._wanted: bytes | None = None  # proclaimed, and not confirmed
        self._resigns = False
        self._wake = asyncio.Event()
        self._values = count(1)

    @property
    def ttl(self) -> float:
        """What it asks gateways for, in seconds."""
        return min(self.state.ttl, self.wishes.ttl)

    # -- the life of a candidacy -------------------------------------------------------------

    async def campaign(self) -> None:
        while not self.state.over:
            self._wake.clear()
            now = self.world.now()
            todo = self.state.next(now)
            self._tell()
            if isinstance(todo, Enter):
                self._enter(todo, now)
            elif todo is not None:
                self.legs[-1].send(Heartbeat(todo.sequence), now)
            elif not self._act(now):
                await self._nap(now)
        self._note("over", self.state.reason or self.state.refused)
        if self._resigns:
            await self._farewell()
        elif self.state.reason == DRAINING and self.wishes.keep:
            self.legs[-1].stream.up.send(Resign())  # so that its term need not run out
        for leg in self.legs:
            leg.close()

    def hurry(self) -> None:
        """Lead briefly, and wait as long as it takes."""
        self.wishes.hold, self.wishes.restless = 0.2, False
        self._give_up_at = math.inf
        if self.content:
            self._act_at = min(self._act_at, self.world.now() + 0.2)
        self._wake.set()

    def give_up(self) -> None:
        """Wait no longer."""
        self._give_up_at = self.world.now()
        self._wake.set()

    def move(self, to: int | None = None) -> None:
        """Give the stream up though nothing is wrong with it, and enter at the next gateway.

        Not when it has said farewell: it waits for the answer on that stream.
        """
        if self.legs and not self.legs[-1].ended and not self.state.over:
            if to is not None:
                self.state.gateway = to - 1  # from there the next one is meant
            self.legs[-1].close()
            self.left(self.legs[-1])

    async def _nap(self, now: float) -> None:
        """Sleep until something arrived or is due."""
        dues = (self._act_at, self._proclaim_at, self._work_at, self._give_up())
        due = max(min(self.state.due(), *dues), now + GRAIN)
        timer = None
        if due < math.inf:
            timer = self.site.loop.call_at(self.world.true(due) + GRAIN, self._wake.set)
        await self._wake.wait()
        if timer is not None:
            timer.cancel()

    def _act(self, now: float) -> bool:
        """Do what its wishes say is due; whether anything was."""
        if now >= min(self._give_up(), self._act_at):
            self._leave()
        elif now >= self._work_at:
            self._work(now)
        elif now >= self._proclaim_at:
            self._proclaim_at = now + self.wishes.pace * (0.5 + self.world.rng.random())
            self._wanted = b"%d" % next(self._values)
            self.legs[-1].send(Proclaim(self._wanted))
        else:
            return False
        return True

    def _give_up(self) -> float:
        return math.inf if self.content else self._give_up_at

    def _leave(self) -> None:
        self._resigns = not self.content or self.wishes.ending != "close"
        self.state.resign()
        self._tell()

    def _work(self, now: float) -> None:
        """Ask whether it leads, as a body of work does, and write to what the token fences."""
        self._work_at = now + self.wishes.pace * (0.5 + self.world.rng.random())
        held, token = self.state.held(now), self.state.token
        self._tell()
        assert token is not None
        self.site.history.record(Held, self.name, self.wishes.election, token, held)
        if held:
            self.site.register.write(self.wishes.election, token, self.name)
        if self.wishes.restless and self.world.rng.random() < RESTLESS:
            self.move()

    # -- sending -----------------------------------------------------------------------------

    def _enter(self, todo: Enter, now: float) -> None:
        if todo.attempt > 1 and self.wishes.shorter:
            foreign.shorten(self.state, now)
            self._tell()
        gateway = self.site.gateways[todo.gateway]
        stream = self.site.network.connect(self.process, gateway.process)
        leg = Leg(self, stream, todo.attempt, todo.resume_token)
        stream.down.end = leg
        self.legs.append(leg)
        entry = Entry(
            holder=self.name,
            attempt=todo.attempt,
            candidate=self.name,
            value=b"new" if todo.resume_token is None else self._wanted,
            ttl=self.ttl,
            keep=self.wishes.keep,
            no_wait=self.wishes.no_wait,
            resume=todo.resume_token,
        )
        where = f"at {gateway.name}, resumes {todo.resume_token}"
        self.site.history.record(Entered, self.name, self.wishes.election, todo.attempt, note=where)
        self.site.network.at(self.site.loop.time(), gateway.process.call, gateway.accept, stream)
        leg.send(messages.Enter(self.wishes.election, entry), now)

    async def _farewell(self) -> None:
        """Belief has ended; tell the gateway, on the stream or through another one."""
        newest = self.legs[-1] if self.legs else None
        on_stream = newest is not None and self.state.answered and not newest.ended
        if self.content and self.wishes.ending == "unary":
            on_stream = False
        gateways, first = self.site.gateways, self.state.gateway
        others = [gateways[(first + n) % len(gateways)] for n in range(1, UNARY_TRIES + 1)]
        history, election, token = self.site.history, self.wishes.election, self.state.token
        history.record(Called, self.name, "farewell", "resign", election, token)
        over = await resign(self, newest if on_stream else None, others)
        outcome: Outcome = "unknown"
        if over is not None and not over.elsewhere:
            outcome = "ok" if over.reason is None else "failed"
        token = over.term.token if over is not None and over.term is not None else None
        why = "no answer" if over is None else str(over.reason or "")
        history.record(Returned, self.name, "farewell", outcome, token, note=why)

    # -- reading -----------------------------------------------------------------------------

    def read(self, leg: Leg, message: object) -> None:
        """Take in a message of a stream that has not ended."""
        match message:
            case Present():
                self._hear(leg, message)
            case Over(reason, view):
                leg.ended = True
                if view is not None:
                    self._hear(leg, Present(view, None))
                word = "" if reason is None else str(reason)
                self._ended(leg, messages.status(reason), word)

    def left(self, leg: Leg) -> None:
        """Take in that a stream broke."""
        self._ended(leg, "UNAVAILABLE", "")

    def _ended(self, leg: Leg, status: str, reason: str) -> None:
        if leg.attempt == self.state.attempt and not self.state.over:
            self._note("stream ended", f"{status} {reason}")
        self.state.ended(leg.attempt, status, reason, self.world.now())
        self.content = self.content or bool(self.state.refused)
        self._tell()
        self._wake.set()

    def _hear(self, leg: Leg, message: Present) -> None:
        now = self.world.now()
        told = messages.heard(message)
        if leg is not self.legs[-1]:
            if self.wishes.greedy and not self.state.answered:
                foreign.overhear(self.state, told, leg, self.legs[-1], now)
                self._tell(leg.sent.get(told.sequence))
                return
        elif not self.state.over:
            self._check(leg, message)
        over = self.state.over
        self.state.heard(leg.attempt, told, now)
        if self.state.over and not over and leg is not self.legs[-1]:
            says = "what an older stream was told ended it"
            self.site.history.record(Broke, self.name, says, self.wishes.election)
        for older in self.legs[:-1] if self.state.answered else ():
            older.close()
        view = message.view
        if view.term is not None and view.term.value == self._wanted:
            self._wanted = None
        self._tell(leg.sent.get(told.sequence))
        self._wake.set()

    def _check(self, leg: Leg, message: Present) -> None:
        """Hold an answer against what no gateway may ever say."""
        says = messages.nonsense(message.view, self.name, leg.resumes)
        history, election = self.site.history, self.wishes.election
        if says:
            history.record(Broke, self.name, says, election, leg.resumes)
        if message.waits:
            term = message.view.term
            history.record(Waiting, self.name, election, None if term is None else term.token)

    def _tell(self, sent: float | None = None) -> None:
        """Record what it may believe from now on, by the answer to what was sent then."""
        changed = self.belief.settle(self.state, sent, guarded=self.wishes.keep)
        if changed and self.belief.on and self.state.token is not None:
            for meddler in self.meddlers:
                meddler(self.state.token)
        if changed and self.belief.on and not self.content:
            now, hold = self.world.now(), self.wishes.hold
            self.content = True
            self._act_at, self._work_at = now + hold, now
            if self.wishes.proclaims:
                self._proclaim_at = now + hold / 2

    def _note(self, what: str, detail: str = "") -> None:
        self.site.history.note(self.name, what, self.wishes.election, self.state.token, detail)
