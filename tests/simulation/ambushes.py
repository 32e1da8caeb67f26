"""Faults that lie in wait: each makes the one moment in which a certain bug would show."""

import random
from collections.abc import Callable, Iterable

from tests.simulation.candidate import Candidate
from tests.simulation.client import Client
from tests.simulation.faults import FAULTY, Fault
from tests.simulation.gateway import Gateway
from tests.simulation.place import Place
from tests.simulation.store import Weather

HEARD = 0.02  # seconds in which a message that was just sent arrives
LOOKS = 0.01  # seconds between two looks whether the moment has come


class Ambushes:
    def __init__(
        self, place: Place, rng: random.Random, restart: Callable[[Gateway], None]
    ) -> None:
        self._place, self._rng, self._restart = place, rng, restart

    def last_promise(self, fault: Fault, client: Client, gateway: Gateway) -> None:
        """Let the gateway stop when it has promised all that its session allows to who is stuck."""
        candidate = client.candidate
        if candidate is None or client.process.frozen:
            return
        others = [each for each in self._place.gateways if each is not gateway]
        self.cut(client, others, 3 * gateway.backend_ttl)
        self._wait_for_promise(fault, candidate, gateway, self._place.loop.time() + fault.seconds)

    def _wait_for_promise(
        self, fault: Fault, candidate: Candidate, gateway: Gateway, until: float
    ) -> None:
        if gateway.process.frozen or not gateway.up or gateway.elector is None:
            return
        now, session = self._place.loop.time(), gateway.elector._keeper.session
        most = gateway.clock.true(session.trusted_until)
        promised = candidate.state.trusting and (
            candidate.world.true(candidate.state.trusted_until) > most - 2 * HEARD
        )
        if now >= until:
            return
        if not promised:
            waiting = fault, candidate, gateway, until
            self._place.loop.call_later(LOOKS, self._wait_for_promise, *waiting)
        elif fault.quiet:
            gateway.kill()
            self._place.loop.call_later(2 * gateway.backend_ttl, self._restart, gateway)
        else:
            gateway.process.freeze()
            self._place.loop.call_later(2 * gateway.backend_ttl, gateway.process.thaw)

    def late_move(self, fault: Fault) -> None:
        """Let the most patient leader move to where the session is being lost, and hear no more.

        That gateway's renewals fail, or whatever it asks for happens and is not answered.
        """
        place, gateways = self._place, self._place.gateways
        leading = [c for c in place.clients if c.candidate and c.candidate.state.trusting]
        if not leading or len(gateways) == 1:
            return
        client = max(leading, key=lambda each: each.candidate.ttl if each.candidate else 0)
        candidate = client.candidate
        assert candidate is not None
        there = (candidate.state.gateway + 1) % len(gateways)
        target = gateways[there]
        if target.elector is None or not target.up:
            return
        weather = Weather(mute=True, relents=True)
        if fault.quiet:
            weather = Weather(before=1.0, verbs=("renew",))
        place.store.weather[target.name] = weather
        candidate.wishes.no_wait = candidate.wishes.no_wait or fault.everywhere
        lost = target.clock.true(target.elector._keeper.session.lost_at)
        moment = lost - target.backend_ttl / 3 * fault.strength
        place.loop.call_at(max(moment, place.loop.time()), self._go, client, candidate, there)
        place.loop.call_later(1.5 * target.backend_ttl, self._clear, target, weather)

    def _go(self, client: Client, candidate: Candidate, there: int) -> None:
        late = self._place.loop.time() >= FAULTY
        if late or not candidate.state.trusting or client.process.frozen:
            return
        gateways, seconds = self._place.gateways, 1.2 * candidate.ttl
        self.deafen(client, seconds)
        self.cut(client, [each for each in gateways if each is not gateways[there]], seconds)
        client.process.call(candidate.move, there)
        self._place.loop.call_later(HEARD, self.cut, client, gateways, seconds)

    def _clear(self, gateway: Gateway, weather: Weather) -> None:
        if self._place.store.weather[gateway.name] is weather:
            self._place.store.weather[gateway.name] = Weather()

    def withdrawals(self, fault: Fault, gateway: Gateway) -> None:
        """Let who waits at this gateway give up while its bids are on their way, or unanswered."""
        whims, key = self._place.store.whims, (gateway.name, "acquire")
        whims[key] = Weather(late=fault.strength, after=0.3, fast=0.05, slow=0.5)
        if fault.quiet:
            whims[key] = Weather(mute=True)
        number = self._place.gateways.index(gateway)
        for client in self._place.clients:
            candidate = client.candidate
            if candidate is not None and candidate.state.gateway == number:
                seconds = self._rng.uniform(0, fault.seconds)
                self._place.loop.call_later(seconds, client.process.call, candidate.give_up)
        self._place.loop.call_later(fault.seconds, whims.pop, key, None)

    def obituary(self, gateway: Gateway) -> None:
        """Let a gateway come back just as others end its session, too late."""
        whims = self._place.store.whims
        for other in self._place.gateways:
            if other is not gateway:
                whims[other.name, "expire"] = Weather(fast=0.2, slow=1.5)
                self._place.loop.call_later(
                    3 * gateway.backend_ttl, whims.pop, (other.name, "expire"), None
                )
        gateway.process.freeze()
        self._place.loop.call_later(1.05 * gateway.backend_ttl + 0.3, gateway.process.thaw)

    # -- one client's links ------------------------------------------------------------------

    def deafen(self, client: Client, seconds: float) -> None:
        """Let it hear nothing of any gateway."""
        until = min(self._place.loop.time() + seconds, FAULTY)  # then all is mended
        for gateway in self._place.gateways:
            self._place.network.cut_until[gateway.name, client.name] = until

    def cut(self, client: Client, gateways: Iterable[Gateway], seconds: float) -> None:
        """Let these gateways hear nothing of it."""
        until = min(self._place.loop.time() + seconds, FAULTY)  # then all is mended
        for gateway in gateways:
            self._place.network.cut_until[client.name, gateway.name] = until
