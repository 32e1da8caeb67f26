"""Real electors over the memory driver, in virtual time, with the simulation's bad network."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from incumbent_backends.api import Term
from incumbent_server.campaign import Campaign
from incumbent_server.candidacy import End, Entry, State, View
from incumbent_server.elector import Elector
from tests.simulation.gateway import Gateway
from tests.simulation.history import History
from tests.simulation.loop import SimLoop
from tests.simulation.network import Network
from tests.simulation.store import SimStore, Weather
from tests.simulation.world import SimWorld

BACKEND_TTL = 3.0
ELECTION = "demo"
T = TypeVar("T")


class Tap:
    """A Campaign and all that it told."""

    def __init__(self) -> None:
        self.campaign: Campaign | None = None
        self.views: list[View] = []
        self.end: End | None = None

    def changed(self) -> None:
        asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        assert self.campaign is not None
        self.end = self.campaign.ending
        view = self.campaign.view()
        if view is not None:
            self.views.append(view)

    @property
    def state(self) -> State | None:
        return self.views[-1].state if self.views else None

    def shows(self, state: State) -> bool:
        return self.state is state

    def ended(self) -> bool:
        return self.end is not None

    @property
    def token(self) -> int:
        assert self.views
        present = self.views[-1].term
        assert present is not None
        return present.token


class Stage:
    """Gateways a and b; `store.weather[name]` says how the store is for one of them."""

    def __init__(self, loop: SimLoop, *, moves_terms: bool, push: bool = True) -> None:
        self.loop = loop
        self.history = History(loop)
        self.store = SimStore(loop, random.Random(1), self.history, push=push)
        self.network = Network(loop, random.Random(2))
        self.moves_terms = moves_terms
        self.a, self.b = self._gateway("a"), self._gateway("b")

    def _gateway(self, name: str) -> Gateway:
        return Gateway(
            self.loop,
            name,
            self.store,
            self.network,
            self.history,
            lambda: SimWorld(self.loop, random.Random(3), rate=1.0),
            backend_ttl=BACKEND_TTL,
            moves_terms=self.moves_terms,
        )

    @property
    def term(self) -> Term | None:
        """What the store holds."""
        return self.store.truth.term(ELECTION)

    def vacant(self) -> bool:
        return self.term is None

    def out_of_reach(self, gateway: Gateway, *, away: bool = True) -> None:
        self.store.weather[gateway.name] = Weather(silent=away)

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def on(self, gateway: Gateway, act: Callable[[Elector], T]) -> T:
        """Do something inside the gateway's process."""

        async def acting() -> T:
            assert gateway.elector is not None
            return act(gateway.elector)

        return await gateway.process.start(acting())

    async def ask(self, gateway: Gateway, ask: Callable[[Elector], Awaitable[T]]) -> T:
        """Ask the gateway something that it has to wait for."""

        async def asking() -> T:
            assert gateway.elector is not None
            return await ask(gateway.elector)

        return await gateway.process.start(asking())

    async def enter(self, gateway: Gateway, wish: Entry) -> Tap:
        """Enter, and give the store time to answer."""
        tap = Tap()

        def entering(elector: Elector) -> None:
            tap.campaign = elector.campaign(ELECTION, wish, tap.changed)
            tap.changed()

        await self.on(gateway, entering)
        await self.wait(0.1)
        return tap

    async def beat(self, gateway: Gateway, tap: Tap, sequence: int) -> None:
        def beating(_: Elector) -> None:
            assert tap.campaign is not None
            tap.campaign.heartbeat(sequence)
            tap.changed()

        await self.on(gateway, beating)

    async def hold(self, gateway: Gateway, tap: Tap, seconds: float, first: int = 1) -> None:
        """Keep a term alive with a heartbeat each quarter of a second."""
        for number in range(round(seconds * 4)):
            await self.beat(gateway, tap, first + number)
            await self.wait(0.25)


def play(
    story: Callable[[Stage], Coroutine[Any, Any, None]],
    *,
    moves_terms: bool = True,
    push: bool = True,
) -> None:
    """Run `story` on a stage, close both gateways, and look that nothing is left of them."""
    loop = SimLoop()

    async def playing() -> None:
        stage = Stage(loop, moves_terms=moves_terms, push=push)
        await stage.wait(0.1)
        await story(stage)
        for gateway in (stage.a, stage.b):
            gateway.process.thaw()
            gateway.stop(0.0)
        await stage.wait(3.0)
        for gateway in (stage.a, stage.b):
            for process in gateway.buried:
                process.bury()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            assert stage.a.buried or stage.b.buried, f"outlived its gateway: {task}"
            task.cancel()
        await stage.wait(0.1)

    loop.run(playing())
    assert loop.troubles == []
