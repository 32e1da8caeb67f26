"""One run: a place drawn from the seed, faults, then calm, then everybody leads once and leaves."""

import asyncio
import gc
from dataclasses import dataclass

from tests.histories import events
from tests.histories.verdict import Verdict
from tests.simulation.client import Client, Site
from tests.simulation.faults import FAULTY, Fault, Kind, draw
from tests.simulation.gateway import Gateway
from tests.simulation.history import History
from tests.simulation.loop import SimLoop
from tests.simulation.network import SLOW, Network
from tests.simulation.register import Register
from tests.simulation.store import SimStore, Weather
from tests.simulation.world import SimWorld, dice

VACANCY = 3.0  # seconds that an election with candidates may stay vacant when nothing is wrong
QUEUE_BOUND = 25.0  # seconds in which every client has led once more, after the calm


@dataclass(slots=True)
class Outcome:
    seed: int
    history: History
    faults: list[Fault]
    verdict: Verdict
    seconds: float  # virtual


def run(seed: int) -> Outcome:
    """Run the story of `seed` and hold it against the laws."""
    gc.disable()  # a run is short, and what it leaves is collected after it
    try:
        return Scenario(seed, draw(seed)).run()
    finally:
        gc.enable()


class Scenario:
    def __init__(self, seed: int, faults: list[Fault]) -> None:
        self.seed, self.faults = seed, faults
        self.loop = SimLoop()
        self.history = History(self.loop)
        self.rng = dice(seed, "place")
        self.backend_ttl = self.rng.choice((2.0, 3.0, 5.0))
        self.moves_terms = self.rng.random() < 0.85
        self._worlds = 0

    def run(self) -> Outcome:
        self.loop.run(self._story())
        self.history.closed = False
        for trouble in self.loop.troubles:
            self._broke(f"nobody awaited: {trouble}")
        verdict = self.history.judge()
        return Outcome(self.seed, self.history, self.faults, verdict, self.loop.time())

    def _broke(self, says: str) -> None:
        self.history.record(events.Broke, "scenario", says)

    def _world(self) -> SimWorld:
        self._worlds += 1
        return SimWorld(self.loop, dice(self.seed, f"world {self._worlds}"))

    async def _story(self) -> None:
        self._build()
        for fault in self.faults:
            await self._until(fault.at)
            self._begin(fault)
        await self._until(FAULTY)
        self._heal()
        settled = FAULTY + 2.1 * self.backend_ttl + 6
        await self._until(settled)
        self._bound(VACANCY)
        await self._until(settled + 5)
        self._bound(None)
        await self._finish()
        await self._clear_away()

    def _bound(self, seconds: float | None) -> None:
        for election in self.elections:
            self.history.record(events.Bound, "scenario", election, seconds)

    async def _until(self, instant: float) -> None:
        await asyncio.sleep(max(0.0, instant - self.loop.time()))

    def _build(self) -> None:
        loop, history, rng = self.loop, self.history, self.rng
        self.store = SimStore(loop, dice(self.seed, "store"), history)
        self.network = Network(loop, dice(self.seed, "network"))
        register = Register(loop, dice(self.seed, "register"), history)
        self.gateways: list[Gateway] = []
        for number in range(rng.choice((1, 2, 2, 3, 3))):
            gateway = Gateway(
                loop, f"g{number}", self.store, self.network, history, self._world,
                backend_ttl=self.backend_ttl, moves_terms=self.moves_terms,
            )  # fmt: skip
            self.gateways.append(gateway)
        self.site = Site(loop, self.network, history, self.gateways, register)
        self.elections = ["e0", "e1"][: rng.randint(1, 2)]
        self.clients = [
            Client(
                f"c{number}", self.site, self.elections[number % len(self.elections)],
                dice(self.seed, f"client {number}"), self._world,
            )
            for number in range(rng.randint(2, 6))
        ]  # fmt: skip

    def _everybody(self) -> list[Client | Gateway]:
        return [*self.clients, *self.gateways]

    # -- faults ------------------------------------------------------------------------------

    def _begin(self, fault: Fault) -> None:
        client = self.clients[fault.client % len(self.clients)]
        gateway = self.gateways[fault.gateway % len(self.gateways)]
        by_hand = fault.kind in (Kind.DELETE, Kind.REVOKE)
        exempts = self._exempts() if by_hand else {}
        whom = f"{client.name} {gateway.name}"
        self.history.record(events.Fault, "scenario", str(fault.kind), exempts=exempts, note=whom)
        match fault.kind:
            case Kind.CLIENT_CRASH | Kind.CLIENT_PAUSE:
                self._strike_client(fault, client)
            case Kind.GATEWAY_KILL | Kind.GATEWAY_PAUSE | Kind.GATEWAY_DRAIN:
                self._strike_gateway(fault, gateway)
            case Kind.CUT_BOTH | Kind.CUT_UP | Kind.CUT_DOWN:
                self._cut(fault, client, gateway)
            case Kind.RESET:
                self.network.reset(client.process)
            case Kind.SLOW_LINKS:
                self.network.slow = fault.strength
                self.loop.call_later(fault.seconds, setattr, self.network, "slow", SLOW)
            case Kind.DELETE | Kind.REVOKE:
                self._delete_by_hand(fault)
            case _:
                self._strike_store(fault, gateway)

    def _strike_client(self, fault: Fault, client: Client) -> None:
        if client.process.frozen:
            return
        if fault.kind is Kind.CLIENT_PAUSE:
            client.process.freeze()
            self.loop.call_later(fault.seconds, client.process.thaw)
            return
        client.crash()
        if not fault.quiet:
            self.network.reset(client.process)
        self.loop.call_later(fault.seconds, self._restart, client)

    def _strike_gateway(self, fault: Fault, gateway: Gateway) -> None:
        if gateway.process.frozen:
            return
        if fault.kind is Kind.GATEWAY_PAUSE:
            gateway.process.freeze()
            self.loop.call_later(fault.seconds, gateway.process.thaw)
            return
        if fault.kind is Kind.GATEWAY_DRAIN:
            # A store that cannot move a term frees it at the latest when its gateway stops.
            gateway.stop(fault.seconds if self.moves_terms else max(fault.seconds, 5.0))
        else:
            gateway.kill()
            if not fault.quiet:
                self.network.reset(gateway.process)
        self.loop.call_later(fault.seconds, self._restart, gateway)

    def _restart(self, who: Client | Gateway) -> None:
        if isinstance(who, Gateway) and who.up:
            if who.process.frozen or not who.stopping:
                return
            self.loop.call_later(0.2, self._restart, who)  # it has not ended yet
        elif who.process.killed or isinstance(who, Gateway):
            self.network.reset(who.process)
            who.start()

    def _cut(self, fault: Fault, client: Client, gateway: Gateway) -> None:
        until = self.loop.time() + fault.seconds
        if fault.kind is not Kind.CUT_DOWN:
            self.network.cut_until[client.name, gateway.name] = until
        if fault.kind is not Kind.CUT_UP:
            self.network.cut_until[gateway.name, client.name] = until
        if fault.strength < 0.3:
            self.network.reset(client.process)

    def _strike_store(self, fault: Fault, gateway: Gateway) -> None:
        strength = fault.strength
        weather = {
            Kind.STORE_DOWN: Weather(silent=fault.quiet, before=0.0 if fault.quiet else 1.0),
            Kind.STORE_MUTE: Weather(mute=True),
            Kind.STORE_SLOW: Weather(slow=3 * strength, fast=strength if fault.quiet else 0.001),
            Kind.STORE_FLAKY: Weather(
                before=strength / 3, after=strength / 2, late=strength / 3, twice=strength / 2
            ),
        }[fault.kind]
        for each in self.gateways if fault.everywhere else [gateway]:
            self.store.weather[each.name] = weather
            self.loop.call_later(fault.seconds, self._clear_sky, each.name, weather)

    def _clear_sky(self, name: str, weather: Weather) -> None:
        if self.store.weather[name] is weather:
            self.store.weather[name] = Weather()

    def _exempts(self) -> dict[str, list[int]]:
        """Name the terms that are ended by hand: all."""
        return {name: [term.token] for name, (_, term) in self.store.truth.terms.items()}

    def _delete_by_hand(self, fault: Fault) -> None:
        truth = self.store.truth
        if fault.kind is Kind.DELETE:
            for election in list(truth.terms):
                truth.delete(election)
        else:
            for name in list(truth.sessions):
                truth.end_session(name)

    # -- afterwards --------------------------------------------------------------------------

    def _heal(self) -> None:
        self.history.note("scenario", "healed")
        self.network.slow = SLOW
        self.network.cut_until.clear()
        for gateway in self.gateways:
            self.store.weather[gateway.name] = Weather()
        for who in self._everybody():
            who.process.thaw()
            self._restart(who)

    async def _finish(self) -> None:
        self.history.note("scenario", "finishing")
        for client in self.clients:
            client.finish()
        deadline = self.loop.time() + QUEUE_BOUND
        while self.loop.time() < deadline and not all(c.work.done() for c in self.clients):
            await asyncio.sleep(0.25)
        late = [client.name for client in self.clients if not client.work.done()]
        if late:
            self._broke(f"progress: {late} did not lead within {QUEUE_BOUND} s")
            for client in self.clients:
                client.work.cancel()
                self.network.reset(client.process)
        await asyncio.sleep(2.1 * self.backend_ttl + 6)
        self._look_for_leftovers()

    def _look_for_leftovers(self) -> None:
        truth = self.store.truth
        for election in self.elections:
            term = truth.term(election)
            token = term.token if term is not None else None
            self.history.record(events.Final, "scenario", election, token)
        if len(truth.sessions) != len(self.gateways):
            self.history.record(events.Left, "scenario", f"sessions {sorted(truth.sessions)}")
        for gateway in self.gateways:
            for what in gateway.leftovers():
                self.history.record(events.Left, gateway.name, what)

    async def _clear_away(self) -> None:
        """Close all; what is still there then is cancelled: nothing outlives the run."""
        for gateway in self.gateways:
            gateway.stop(1.0)
        await asyncio.sleep(4.0)
        for gateway in self.gateways:
            if not gateway.work.done():
                self._broke(f"{gateway.name} did not stop")
            elif not gateway.work.cancelled() and gateway.work.exception() is not None:
                self._broke(f"{gateway.name} failed: {gateway.work.exception()!r}")
        self.history.closed = True
        for who in self._everybody():
            for process in who.buried:
                process.bury()
        tasks = [
            task for task in asyncio.all_tasks(self.loop) if task is not asyncio.current_task()
        ]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
