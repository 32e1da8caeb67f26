"""One run: a place drawn from the seed, faults, then calm, then everybody leads once and leaves."""

import asyncio
import gc
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from tests.histories import events
from tests.histories.verdict import Verdict
from tests.simulation import faults, place
from tests.simulation.faults import FAULTY, Fault
from tests.simulation.history import History
from tests.simulation.network import SLOW
from tests.simulation.place import Place
from tests.simulation.store import Weather
from tests.simulation.strikes import TOLD_WITHIN, Strikes
from tests.simulation.world import dice

VACANCY = 3.0  # seconds that an election with candidates may stay vacant when nothing is wrong
RECOVERY = 5.0  # … and when everything has just been mended: nobody retries more seldom than that
QUEUE_BOUND = 25.0  # seconds in which every client has led once more, after the calm
CALM = 5.0  # seconds for which vacancies are measured
NEW = 0.1  # seconds: a term is, when no poll has seen it yet
GHOSTLY = 10.0  # seconds: no ttl in use is longer, and who leads says something more often


@dataclass(slots=True)
class Outcome:
    seed: int
    history: History
    faults: Sequence[Fault]
    verdict: Verdict
    seconds: float  # virtual


def run(seed: int, struck: Sequence[Fault] | None = None) -> Outcome:
    """Run the story of `seed`, or with other faults, and hold it against the laws."""
    gc.disable()  # a run is short, and what it leaves is collected after it
    try:
        return Scenario(
            Place(place.draw(seed)), faults.draw(seed) if struck is None else struck
        ).run()
    finally:
        gc.enable()


class Scenario:
    def __init__(self, place: Place, struck: Sequence[Fault]) -> None:
        self.place, self.faults = place, struck
        self.loop, self.history = place.loop, place.history
        self.strikes = Strikes(place, dice(place.seed, "strikes"))

    def run(self) -> Outcome:
        self.loop.run(self._story())
        self.history.closed = False
        for trouble in self.loop.troubles:
            self._broke(f"nobody awaited: {trouble}")
        verdict = self.history.judge()
        return Outcome(self.place.seed, self.history, self.faults, verdict, self.loop.time())

    def _broke(self, says: str) -> None:
        self.history.record(events.Broke, "scenario", says)

    async def _story(self) -> None:
        self.place.open()
        for fault in self.faults:
            await self._until(fault.at)
            self.strikes.begin(fault)
        await self._until(FAULTY)
        self._heal()
        self._bound(RECOVERY)
        settled = FAULTY + 2.1 * self.place.backend_ttl + 6
        await self._until(settled)
        self._bound(VACANCY)
        await self._until(settled + CALM / 2)
        self.strikes.resign_by_hand(TOLD_WITHIN)
        await self._until(settled + CALM)
        self._look_for_ghosts()
        await self._until_a_term_is_new()
        self.strikes.delete_by_hand(TOLD_WITHIN)
        await asyncio.sleep(CALM)
        self._bound(None)
        await self._finish()
        await self._clear_away()

    def _bound(self, seconds: float | None) -> None:
        for election in self.place.elections:
            self.history.record(events.Bound, "scenario", election, seconds)

    async def _until(self, instant: float) -> None:
        await asyncio.sleep(max(0.0, instant - self.loop.time()))

    async def _until_a_term_is_new(self) -> None:
        """Wait for a term that no poll has seen yet, for a while."""
        store, end = self.place.store, self.loop.time() + CALM / 2
        while self.loop.time() < end:
            begun = [term.begin_time for _, term in store.truth.terms.values()]
            if begun and store.wall() - max(begun) < timedelta(seconds=NEW):
                return
            await asyncio.sleep(NEW / 2)

    # -- afterwards --------------------------------------------------------------------------

    def _heal(self) -> None:
        self.history.note("scenario", "healed")
        self.place.network.slow = SLOW
        self.place.network.cut_until.clear()
        self.place.store.whims.clear()
        for gateway in self.place.gateways:
            self.place.store.weather[gateway.name] = Weather()
        for who in self.place.everybody:
            who.process.thaw()
            self.strikes.restart(who)

    def _look_for_ghosts(self) -> None:
        """Look for terms whose holder has long been gone: nobody would ever lead again."""
        since = self.loop.time() - GHOSTLY
        heard = {event.who for event in self.history.events if event.at > since}
        for election in self.place.elections:
            term = self.place.store.truth.term(election)
            if term is not None and term.holder not in heard:
                self.history.record(events.Left, "store", f"#{term.token} of {term.holder}")

    async def _finish(self) -> None:
        self.history.note("scenario", "finishing")
        clients = self.place.clients
        for client in clients:
            client.finish()
        deadline = self.loop.time() + QUEUE_BOUND
        while self.loop.time() < deadline and not all(c.work.done() for c in clients):
            await asyncio.sleep(0.25)
        late = [client.name for client in clients if not client.work.done()]
        if late:
            self._broke(f"progress: {late} did not lead within {QUEUE_BOUND} s")
            for client in clients:
                client.work.cancel()
                self.place.network.reset(client.process)
        await asyncio.sleep(2.1 * self.place.backend_ttl + 6)
        self._look_for_leftovers()

    def _look_for_leftovers(self) -> None:
        truth = self.place.store.truth
        for election in self.place.elections:
            term = truth.term(election)
            token = term.token if term is not None else None
            self.history.record(events.Final, "scenario", election, token)
        if len(truth.sessions) != len(self.place.gateways):
            self.history.record(events.Left, "scenario", f"sessions {sorted(truth.sessions)}")
        for gateway in self.place.gateways:
            for what in gateway.leftovers():
                self.history.record(events.Left, gateway.name, what)

    async def _clear_away(self) -> None:
        """Close all; what is still there then is cancelled: nothing outlives the run."""
        for gateway in self.place.gateways:
            gateway.stop(1.0)
        await asyncio.sleep(4.0)
        for gateway in self.place.gateways:
            if not gateway.work.done():
                self._broke(f"{gateway.name} did not stop")
            elif not gateway.work.cancelled() and gateway.work.exception() is not None:
                self._broke(f"{gateway.name} failed: {gateway.work.exception()!r}")
        self.history.closed = True
        for who in self.place.everybody:
            for process in who.buried:
                process.bury()
        tasks = [
            task for task in asyncio.all_tasks(self.loop) if task is not asyncio.current_task()
        ]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
