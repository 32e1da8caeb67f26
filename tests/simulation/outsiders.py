"""Who interferes with a candidacy from outside: by its credential, old or stolen, or by its token.

They keep no rules and believe nothing. What they end, the client may go on to trust until it hears
of it: its term counts as ended by hand.
"""

import random
from collections.abc import Callable

from incumbent_server.candidacy import Entry, State
from tests.histories.events import Broke, Called, Fault, Outcome, Returned
from tests.simulation.candidate import Candidate
from tests.simulation.client import Site
from tests.simulation.gateway import Gateway
from tests.simulation.loop import Process
from tests.simulation.messages import Enter, Over, Present, UnaryResign
from tests.simulation.network import Stream

TTL = 1.0


class Outsider:
    """One stream to a gateway, for one purpose. `rng` chooses where."""

    def __init__(self, name: str, site: Site, victim: Candidate, rng: random.Random) -> None:
        self.name, self._site, self._victim, self._rng = name, site, victim, rng
        self._process = Process(site.loop, name)
        self._heard: Callable[[object], None] = lambda _: None
        self._asked = site.loop.time()
        self._told_within: float | None = None

    def use_old_credential(self) -> None:
        """Enter by an attempt that is no newer than the one by which the victim leads."""
        state = self._victim.state
        if state.trusting and state.answered:
            attempt = max(1, state.attempt - self._rng.randint(0, 1))
            self._heard = self._never_leads
            self._enter(self._entry(self._victim.name, attempt, state.token))

    def resume_wrong_token(self) -> None:
        """Resume what belongs to somebody else, or to nobody."""
        token = self._victim.state.token or 0
        self._heard = self._never_leads
        self._enter(self._entry(self.name, 2, token + self._rng.choice((0, 0, 1, 7)) or 1))

    def steal(self) -> None:
        """Take the victim's term over, by its credential and the next attempt; then fall silent."""
        state = self._victim.state
        if state.token is not None and state.trusting:
            self._fault("credential stolen", state.token)
            self._enter(self._entry(self._victim.name, state.attempt + 1, state.token))

    def resign(self, told_within: float | None = None) -> None:
        """End the victim's term or wait, as an operator does who has its credential.

        Where nothing is wrong, the victim is told of a loss within so many seconds.
        """
        if self._victim.state.over:
            return
        self._told_within = told_within
        election, token = self._victim.wishes.election, self._victim.state.token
        if told_within is None:  # else it is known to be lost when the answer says so
            self._ends(token)
            self._victim.meddlers.append(self._ends)  # until its outcome is known
        record = self._site.history.record
        record(Called, self.name, "resign", "resign", election, token)
        self._heard = self._resigned
        self._open(self._gateway()).up.send(UnaryResign(election, self._victim.name))

    # -- what comes back ---------------------------------------------------------------------

    def receive(self, message: object) -> None:
        self._heard(message)

    def broken(self) -> None:
        pass

    def _never_leads(self, message: object) -> None:
        view = message.view if isinstance(message, Present | Over) else None
        if view is not None and view.state is not State.LOST:
            says = f"an outsider was told {view.state.value}"
            self._site.history.record(Broke, self.name, says, self._victim.wishes.election)

    def _resigned(self, message: object) -> None:
        if isinstance(message, Over) and not message.elsewhere:
            outcome: Outcome = "ok" if message.reason is None else "failed"
            token = None if message.term is None else message.term.token
            self._site.history.record(Returned, self.name, "resign", outcome, token)
            if self._ends in self._victim.meddlers:
                self._victim.meddlers.remove(self._ends)
            if token is not None:  # the victim may not have known yet that it leads
                self._ends(token)

    def _ends(self, token: int | None) -> None:
        self._fault("resigned from outside", token)

    # -- what goes out -----------------------------------------------------------------------

    def _fault(self, kind: str, token: int | None) -> None:
        """Record, as of the time when it was asked for, that this term is ended by hand."""
        victim = self._victim
        exempts = {} if token is None else {victim.wishes.election: [token]}
        fault = Fault(self._asked, "scenario", kind, victim.name, exempts, self._told_within)
        self._site.history.events.append(fault)

    def _entry(self, holder: str, attempt: int, resume: int | None) -> Entry:
        return Entry(holder, attempt, self.name, None, TTL, keep=True, resume=resume)

    def _enter(self, entry: Entry) -> None:
        self._open(self._gateway()).up.send(Enter(self._victim.wishes.election, entry))

    def _gateway(self) -> Gateway:
        gateways = self._site.gateways
        here = gateways[self._victim.state.gateway % len(gateways)]
        return self._rng.choice([here, *gateways])

    def _open(self, gateway: Gateway) -> Stream:
        stream = self._site.network.connect(self._process, gateway.process)
        stream.down.end = self
        self._site.network.at(self._site.loop.time(), gateway.process.call, gateway.accept, stream)
        return stream
