"""Faults, carried out."""

import random
from functools import partial
from itertools import count

from tests.histories import events
from tests.simulation.ambushes import HEARD, Ambushes
from tests.simulation.candidate import Candidate
from tests.simulation.client import Client
from tests.simulation.faults import NETWORK, STORE, Fault, Kind
from tests.simulation.gateway import Gateway
from tests.simulation.network import SLOW
from tests.simulation.outsiders import Outsider
from tests.simulation.place import Place
from tests.simulation.store import Weather

TOLD_WITHIN = 1.0  # seconds in which a client learns that its term was ended by hand, in calm
INTERFERENCE = (
    Kind.CLIENT_MOVES,
    Kind.BOOMERANG,
    Kind.RESIGN,
    Kind.THEFT,
    Kind.OLD_CREDENTIAL,
    Kind.WRONG_TOKEN,
)
AMBUSHES = (Kind.LAST_PROMISE, Kind.LATE_MOVE, Kind.WITHDRAWALS, Kind.OBITUARY)
FREED = 5.0  # seconds after which a drain on a store that moves no term has freed it


class Strikes:
    """Begins the faults of a run; each ends by itself."""

    def __init__(self, place: Place, rng: random.Random) -> None:
        self._place, self._rng = place, rng
        self._outsiders = count(1)
        self._ambushes = Ambushes(place, rng, self.restart)

    def begin(self, fault: Fault) -> None:
        place = self._place
        client, gateway = self._targets(fault)
        whom = f"{client.name} {gateway.name}"
        place.history.record(events.Fault, "scenario", str(fault.kind), note=whom)
        if fault.kind in NETWORK:
            self._strike_network(fault, client, gateway)
        elif fault.kind in STORE:
            self._strike_store(fault, client, gateway)
        elif fault.kind in (Kind.DELETE, Kind.REVOKE):
            self._strike_records(fault)
        elif fault.kind in (Kind.CLIENT_CRASH, Kind.CLIENT_PAUSE):
            self._strike_client(fault, client)
        elif fault.kind in INTERFERENCE:
            self._interfere(fault, client)
        elif fault.kind in AMBUSHES:
            self._ambush(fault, client, gateway)
        else:
            self._strike_gateway(fault, gateway)

    def _targets(self, fault: Fault) -> tuple[Client, Gateway]:
        clients, gateways = self._place.clients, self._place.gateways
        client = clients[fault.client % len(clients)]
        gateway = gateways[fault.gateway % len(gateways)]
        leaders = [each for each in clients if each.candidate and each.candidate.state.trusting]
        if fault.aimed and leaders:
            client = leaders[fault.client % len(leaders)]
            assert client.candidate is not None
            gateway = gateways[client.candidate.state.gateway]
        return client, gateway

    def _later(self, seconds: float, callback: object, *args: object) -> None:
        self._place.loop.call_later(seconds, callback, *args)  # type: ignore[arg-type]

    # -- clients and gateways ----------------------------------------------------------------

    def _strike_client(self, fault: Fault, client: Client) -> None:
        if client.process.frozen:
            return
        if fault.kind is Kind.CLIENT_PAUSE:
            client.process.freeze()
            self._later(fault.seconds, client.process.thaw)
            return
        client.crash()
        if not fault.quiet:
            self._place.network.reset(client.process)
        self._later(fault.seconds, self.restart, client)

    def _strike_gateway(self, fault: Fault, gateway: Gateway) -> None:
        place = self._place
        if gateway.process.frozen:
            return
        if fault.kind is Kind.GATEWAY_PAUSE:
            gateway.process.freeze()
            self._later(fault.seconds, gateway.process.thaw)
            return
        if fault.kind is Kind.GATEWAY_DRAIN:
            self._drain(gateway, fault.seconds)
            if (
                fault.quiet
            ):  # a load balancer takes its streams away, with what they were being told
                reset = partial(place.network.reset, gateway.process, lossy=True)
                self._later(fault.strength * HEARD, reset)
            return
        if fault.kind is Kind.ROLLING:
            self._roll(fault)
            return
        gateway.kill()
        if not fault.quiet:
            self._place.network.reset(gateway.process)
            if self._place.sessions_break:
                self._end_sessions("connection broke", gateway)
        self._later(fault.seconds, self.restart, gateway)

    def _drain(self, gateway: Gateway, seconds: float) -> None:
        """Stop it as SIGTERM does. A store that moves no term frees it when its gateway stops."""
        if gateway.up and not gateway.process.frozen:
            gateway.stop(seconds if self._place.moves_terms else max(seconds, FREED))
        self._later(seconds, self.restart, gateway)

    def _roll(self, fault: Fault) -> None:
        for number, gateway in enumerate(self._place.gateways):
            self._later(number * fault.strength, self._drain, gateway, fault.seconds)

    def restart(self, who: Client | Gateway) -> None:
        """Start it anew, if it was killed, or as soon as it has ended."""
        if isinstance(who, Gateway) and who.up:
            if who.process.frozen or not who.stopping:
                return
            self._later(0.2, self.restart, who)  # it has not ended yet
        elif who.process.killed or isinstance(who, Gateway):
            self._place.network.reset(who.process)
            who.start()

    def _interfere(self, fault: Fault, client: Client) -> None:
        candidate, place = client.candidate, self._place
        if candidate is None or candidate.state.over or client.process.frozen:
            return
        if fault.kind is Kind.CLIENT_MOVES:
            if fault.quiet:
                self._ambushes.deafen(client, 1.2 * candidate.ttl)
            if fault.everywhere:  # its `enter`, with a shorter ttl, is the last that is heard of it
                candidate.wishes.shorter = True
                self._later(HEARD, self._ambushes.cut, client, place.gateways, 1.2 * candidate.ttl)
            if fault.strength < 0.5:  # when it leaves, it says so where it was before
                candidate.wishes.ending = "unary"
            client.process.call(candidate.move)
            return
        if fault.kind is Kind.BOOMERANG:
            self._throw(fault, client, candidate)
            return
        outsider = Outsider(f"o{next(self._outsiders)}", place.site, candidate, self._rng)
        {
            Kind.RESIGN: outsider.resign,
            Kind.THEFT: outsider.steal,
            Kind.OLD_CREDENTIAL: outsider.use_old_credential,
            Kind.WRONG_TOKEN: outsider.resume_wrong_token,
        }[fault.kind]()

    def _ambush(self, fault: Fault, client: Client, gateway: Gateway) -> None:
        if gateway.process.frozen or not gateway.up:
            return
        if fault.kind is Kind.LAST_PROMISE:
            self._ambushes.last_promise(fault, client, gateway)
        elif fault.kind is Kind.LATE_MOVE:
            self._ambushes.late_move(fault)
        elif fault.kind is Kind.WITHDRAWALS:
            self._ambushes.withdrawals(fault, gateway)
        else:
            self._ambushes.obituary(gateway)

    def _throw(self, fault: Fault, client: Client, candidate: Candidate) -> None:
        """Let it lead elsewhere until the gateway that it left finds it silent; then come back.

        That gateway's watch tells nothing meanwhile, nor perhaps its renewals, and its release
        comes twice.
        """
        here = candidate.state.gateway
        name, whims = self._place.gateways[here].name, self._place.store.whims
        whims[name, "watch"] = Weather(silent=True)
        whims[name, "release"] = Weather(twice=1.0)
        if fault.everywhere:
            whims[name, "renew"] = Weather(mute=True)
        client.process.call(candidate.move)
        away = candidate.ttl * 1.1 + fault.strength
        self._later(away, client.process.call, candidate.move, here)
        self._later(away + 2, whims.clear)

    # -- the network -------------------------------------------------------------------------

    def _strike_network(self, fault: Fault, client: Client, gateway: Gateway) -> None:
        network = self._place.network
        if fault.kind is Kind.RESET:
            network.reset(client.process, lossy=fault.quiet)
        elif fault.kind is Kind.SLOW_LINKS:
            network.slow = fault.strength
            self._later(fault.seconds, setattr, network, "slow", SLOW)
        else:
            self._cut(fault, client, gateway)

    def _cut(self, fault: Fault, client: Client, gateway: Gateway) -> None:
        until, cut = self._place.loop.time() + fault.seconds, self._place.network.cut_until
        for each in self._place.gateways if fault.everywhere else [gateway]:
            if fault.kind is not Kind.CUT_DOWN:
                cut[client.name, each.name] = until
            if fault.kind is not Kind.CUT_UP:
                cut[each.name, client.name] = until
        if fault.strength < 0.3:
            self._place.network.reset(client.process, lossy=fault.quiet)

    # -- the store ---------------------------------------------------------------------------

    def _strike_store(self, fault: Fault, client: Client, gateway: Gateway) -> None:
        if fault.kind is Kind.STORE_RESTART:
            self._restart_store(fault)
        elif fault.kind is Kind.STORE_RELENTS:
            self._relent(fault, client, gateway)
        else:
            self._change_weather(fault, gateway)

    def _relent(self, fault: Fault, client: Client, gateway: Gateway) -> None:
        """Let the store answer again in the very moment in which it has been away for too long."""
        seconds = 1.5 * gateway.backend_ttl
        self._set_weather(gateway, Weather(silent=True, relents=True), seconds)
        if fault.quiet:  # nor does the client hear of it, or get away
            others = [each for each in self._place.gateways if each is not gateway]
            self._ambushes.deafen(client, seconds)
            self._ambushes.cut(client, others, seconds)

    def _change_weather(self, fault: Fault, gateway: Gateway) -> None:
        strength, verbs = fault.strength, fault.verbs
        weather = {
            Kind.STORE_DOWN: Weather(
                silent=fault.quiet, before=0.0 if fault.quiet else 1.0, verbs=verbs
            ),
            Kind.STORE_MUTE: Weather(mute=True, verbs=verbs),
            Kind.STORE_SLOW: Weather(
                slow=3 * strength, fast=strength if fault.quiet else 0.001, verbs=verbs
            ),
            Kind.STORE_FLAKY: Weather(
                before=strength / 3,
                after=strength / 2,
                late=strength / 3,
                twice=strength / 2,
                verbs=verbs,
            ),
        }[fault.kind]
        for each in self._place.gateways if fault.everywhere else [gateway]:
            self._set_weather(each, weather, fault.seconds)

    def _set_weather(self, gateway: Gateway, weather: Weather, seconds: float) -> None:
        self._place.store.weather[gateway.name] = weather
        self._later(seconds, self._clear_sky, gateway.name, weather)

    def _clear_sky(self, name: str, weather: Weather) -> None:
        if self._place.store.weather[name] is weather:
            self._place.store.weather[name] = Weather()

    def _restart_store(self, fault: Fault) -> None:
        """It is away for a while; sessions that are connections are over."""
        down = Weather(before=1.0)
        for gateway in self._place.gateways:
            self._set_weather(gateway, down, min(fault.seconds, 2.0))
        if self._place.sessions_break:
            self._end_sessions("connections broke")

    def resign_by_hand(self, told_within: float) -> None:
        """Let somebody else resign every term, at any gateway."""
        for client in self._place.clients:
            candidate = client.candidate
            if candidate is not None and candidate.state.trusting:
                name = f"o{next(self._outsiders)}"
                Outsider(name, self._place.site, candidate, self._rng).resign(told_within)

    def delete_by_hand(self, told_within: float | None = None) -> None:
        """Delete every record."""
        truth = self._place.store.truth
        exempts = {name: [term.token] for name, (_, term) in truth.terms.items()}
        self._place.history.record(
            events.Fault, "scenario", "records deleted", "", exempts, told_within
        )
        for election in list(truth.terms):
            truth.delete(election)

    def _strike_records(self, fault: Fault) -> None:
        if fault.kind is Kind.REVOKE:
            self._end_sessions("sessions end")
            return
        self.delete_by_hand()
        for client in self._place.clients:  # perhaps who led moves before it is told
            if fault.quiet and client.candidate is not None:
                client.process.call(client.candidate.move)

    def _end_sessions(self, kind: str, gateway: Gateway | None = None) -> None:
        """End the session of one gateway, or all."""
        truth = self._place.store.truth
        names = list(truth.sessions) if gateway is None else gateway.sessions
        terms = [term for name in names for term in truth.hanging_on(name)]
        exempts = {term.election: [term.token] for term in terms}
        self._place.history.record(events.Fault, "scenario", kind, exempts=exempts)
        for name in names:
            truth.end_session(name)
