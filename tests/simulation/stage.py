"""A place without chance, for scenarios whose every step is directed: clocks run true, all is fast.

A scenario is a coroutine. Streams are driven by hand (`Puppet`) or by the SDK's Candidacy
(`Stage.candidate`); whatever happens is recorded and judged like any other run.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from incumbent_server.candidacy import Entry, State, View
from incumbent_server.reasons import Reason
from tests.histories.verdict import Verdict
from tests.simulation.candidate import Candidate
from tests.simulation.gateway import Gateway
from tests.simulation.legs import Wishes
from tests.simulation.loop import Process
from tests.simulation.messages import Enter, Heartbeat, Over, Present, Resign, UnaryResign
from tests.simulation.network import Stream
from tests.simulation.place import Place, Plan
from tests.simulation.scenario import Scenario
from tests.simulation.store import Weather
from tests.simulation.world import SimWorld, dice

ELECTION = "e0"
PLAIN = Wishes(
    election=ELECTION, ttl=2.0, keep=True, beats=True, no_wait=False, gateway=0, hold=math.inf,
    patience=math.inf, proclaims=False, ending="stream", shorter=False, greedy=False,
    restless=False, pace=0.5,
)  # fmt: skip


class Puppet:
    """A stream whose messages are sent by hand. It believes nothing."""

    def __init__(self, stage: "Stage", holder: str, gateway: int) -> None:
        self.holder, self.gateway = holder, stage.place.gateways[gateway]
        self.views: list[View] = []
        self.over: Over | None = None
        self._process = Process(stage.place.loop, holder)
        self.stream: Stream = stage.place.network.connect(self._process, self.gateway.process)
        self.stream.down.end = self
        network, process = stage.place.network, self.gateway.process
        network.at(stage.place.loop.time(), process.call, self.gateway.accept, self.stream)

    def enter(self, attempt: int = 1, resume: int | None = None, ttl: float = 2.0) -> None:
        entry = Entry(self.holder, attempt, self.holder, None, ttl, keep=True, resume=resume)
        self.stream.up.send(Enter(ELECTION, entry))

    def beat(self, sequence: int) -> None:
        self.stream.up.send(Heartbeat(sequence))

    def resign(self) -> None:
        self.stream.up.send(Resign())

    def resign_unary(self) -> None:
        self.stream.up.send(UnaryResign(ELECTION, self.holder))

    @property
    def state(self) -> State | None:
        """The last that it was told."""
        return self.views[-1].state if self.views else None

    @property
    def token(self) -> int:
        """That of the term that it was told of last."""
        term = self.views[-1].term
        assert term is not None
        return term.token

    @property
    def reason(self) -> Reason | None:
        """Why the stream ended; None also for OK."""
        assert self.over is not None, "the stream is still open"
        return self.over.reason

    def receive(self, message: object) -> None:
        if isinstance(message, Present | Over) and message.view is not None:
            self.views.append(message.view)
        if isinstance(message, Over):
            self.over = message

    def broken(self) -> None:
        self.over = Over(Reason.BACKEND_UNAVAILABLE)


class Stage(Scenario):
    """Runs one directed scenario at so many gateways."""

    def __init__(
        self, gateways: int = 2, *, backend_ttl: float = 2.0, moves: bool = True, drift: float = 0.0
    ) -> None:
        """Let gateways' clocks run fast by `drift` and those of candidates slow."""
        plan = Plan(0, (backend_ttl,) * gateways, elections=1, clients=0, moves_terms=moves)
        super().__init__(Place(plan), ())
        self._drift = drift
        self.process: dict[str, Process] = {}  # of candidates, by name
        self.place.world = lambda: self._world(1 + drift)  # type: ignore[method-assign]

    def _world(self, rate: float) -> SimWorld:
        return SimWorld(self.loop, dice(0, "stage"), rate)

    def play(self, scenario: Callable[["Stage"], Awaitable[None]]) -> Verdict:
        """Run `scenario` once the gateways are ready, then judge what was left."""

        async def story() -> None:
            self.place.open()
            await asyncio.sleep(0.5)
            try:
                await scenario(self)
                await asyncio.sleep(2.1 * self.place.backend_ttl + 10)
                self._look_for_leftovers()
            finally:
                for gateway in self.place.gateways:
                    gateway.process.thaw()
                await self._clear_away()

        self.loop.run(story())
        self.history.closed = False
        for trouble in self.loop.troubles:
            self._broke(f"nobody awaited: {trouble}")
        return self.history.judge()

    # -- what scenarios are made of ----------------------------------------------------------

    def gateway(self, number: int) -> Gateway:
        return self.place.gateways[number]

    def puppet(self, holder: str, gateway: int = 0) -> Puppet:
        return Puppet(self, holder, gateway)

    def candidate(self, name: str, gateway: int = 0, **wishes: Any) -> Candidate:
        """Start one candidacy of the SDK's, at that gateway; it stays until it is lost."""
        asked = replace(PLAIN, gateway=gateway, **wishes)
        process = self.process[name] = Process(self.loop, name)
        world = self._world(1 - self._drift)
        candidate = Candidate(name, self.place.site, world, process, asked)
        process.start(candidate.campaign())
        return candidate

    def weather(self, gateway: int, verb: str, **weather: Any) -> None:
        """Change how the store is to that gateway's calls of one verb."""
        self.place.store.weather[f"g{gateway}"] = Weather(verbs=(verb,), **weather)

    def slow(self, gateway: int, verb: str, seconds: float) -> None:
        """Let that gateway's calls of one verb arrive so much later."""
        self.weather(gateway, verb, fast=seconds, slow=seconds)

    async def until(self, holds: Callable[[], bool], within: float = 10.0) -> None:
        """Let time pass until it holds; no longer than that."""
        deadline = self.loop.time() + within
        while not holds():
            assert self.loop.time() < deadline, "it never came to that"
            await asyncio.sleep(0.002)

    def holder(self) -> str | None:
        """Who leads, as the store has it."""
        term = self.place.store.truth.term(ELECTION)
        return None if term is None else term.holder

    def token(self) -> int | None:
        """Under which token, as the store has it."""
        term = self.place.store.truth.term(ELECTION)
        return None if term is None else term.token

    def cut(self, one: str, other: str, seconds: float) -> None:
        """Let nothing pass from `one` to `other`."""
        self.place.network.cut_until[one, other] = self.loop.time() + seconds
