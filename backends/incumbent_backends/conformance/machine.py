"""A Hypothesis state machine: sessions and holders do what they like, a model says what is so.

The model is the law in its barest form: a dictionary of live terms. After every rule each session
reads what the model holds, and a watch that was open all along has come to the same.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from incumbent_backends.api import Backend, Claim, Snapshot, Term, Unavailable
from incumbent_backends.conformance.bids import Watching, bid, holder
from incumbent_backends.conformance.harness import Harness

T = TypeVar("T")

# Few of each, so that they meet; and what is right more often than not, or little would happen.
SLOTS = st.integers(0, 2)  # three gateways
NAMES = ("a", "a/b")
ELECTIONS = st.sampled_from(NAMES)
HOLDERS = st.sampled_from([holder("ann"), holder("bob")])
VALUES = st.none() | st.sampled_from([b"", b"x", b"y"])
KEEPS = st.sampled_from(["right", "wrong", "under way", "left out"])


@dataclass(frozen=True, slots=True)
class Led:
    """A live term in the model: what two sessions must agree on."""

    token: int
    holder: str
    attempt: int
    value: bytes
    session: str


class BackendMachine(RuleBasedStateMachine):
    """Subclass it, give `build_harness`, and run its `TestCase`."""

    @abstractmethod
    def build_harness(self) -> Harness:
        """Construct a harness on a fresh store; the machine enters and leaves it."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.harness = self.build_harness()
        self.backends: list[Backend] = []
        self.dead: set[int] = set()  # slots whose session died and was not renewed since
        self.led: dict[str, Led] = {}
        self.highest = 0
        self.past: list[Term] = []  # the states of terms, as they came
        self.latest: dict[str, Term] = {}
        self.watch: Watching | None = None
        self.watched: dict[str, Term] = {}

    def run(self, steps: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(steps)

    @initialize()
    def open_sessions(self) -> None:
        async def steps() -> None:
            await self.harness.__aenter__()
            self.backends = [await self.harness.open() for _ in range(3)]
            self.observer = await self.harness.open()
            self.watch = watch = Watching(self.observer)
            assert await watch.synced() == {}

        self.run(steps())

    def teardown(self) -> None:
        async def steps() -> None:
            if self.watch is not None:
                await self.watch.close()
            await self.harness.__aexit__(None, None, None)

        with self.runner:
            self.run(steps())

    @rule(slot=SLOTS, election=ELECTIONS, by=HOLDERS, attempt=st.integers(1, 3), value=VALUES)
    def acquire(self, slot: int, election: str, by: str, attempt: int, value: bytes | None) -> None:
        snapshot = self.bid(slot, election, by, attempt, value, None)
        if snapshot is None:
            return
        if election not in self.led:
            assert snapshot.term is not None
            assert snapshot.term.token > self.highest, "tokens grow"
            self.highest = snapshot.term.token
            session = self.backends[slot].session
            self.led[election] = Led(self.highest, by, attempt, value or b"", session)
        self.agree(snapshot)

    @precondition(lambda self: self.past)
    @rule(
        slot=SLOTS,
        by=st.sampled_from([None, None, None, holder("ann"), holder("bob")]),
        more=st.sampled_from([1, 0, -1, 2]),
        value=VALUES,
        data=st.data(),
    )
    def resume(
        self, slot: int, by: str | None, more: int, value: bytes | None, data: st.DataObject
    ) -> None:
        """A term in some state that it was in lately, so its token, or the attempt, may be old."""
        term = data.draw(self.lately(), label="term")
        by, attempt = by or term.holder, max(term.attempt + more, 1)
        snapshot = self.bid(slot, term.election, by, attempt, value, term.token)
        if snapshot is None:
            return
        led = self.led.get(term.election)
        if led is not None and (term.token, by) == (led.token, led.holder):
            self.pass_on(term.election, slot, attempt, led.value if value is None else value)
        self.agree(snapshot)

    def pass_on(self, election: str, slot: int, attempt: int, value: bytes) -> None:
        led, backend = self.led[election], self.backends[slot]
        here = led.session == backend.session
        if attempt > led.attempt and (here or backend.limits.moves_terms):
            self.led[election] = replace(led, attempt=attempt, value=value, session=backend.session)
        elif attempt == led.attempt and here:
            self.led[election] = replace(led, value=value)

    def bid(
        self,
        slot: int,
        election: str,
        by: str,
        attempt: int,
        value: bytes | None,
        resume: int | None,
    ) -> Snapshot | None:
        """The answer; None when it was Unavailable, as a dead session's bid for a vacancy must be.

        Its other bids may be answered too, so long as the answer shows what is so already.
        """
        backend = self.backends[slot]
        verb = bid(backend, election, by=by, attempt=attempt, value=value, resume=resume)
        try:
            snapshot = self.run(verb)
        except Unavailable:
            led = self.led.get(election)
            moving = resume is not None and led is not None and led.session != backend.session
            assert slot in self.dead or (moving and not backend.limits.moves_terms)
            return None
        if slot not in self.dead:
            return snapshot
        assert resume is not None or snapshot.term is not None, "a dead session cannot bid"
        self.agree(snapshot)
        return None

    @precondition(lambda self: self.past)
    @rule(slot=SLOTS, data=st.data())
    def release(self, slot: int, data: st.DataObject) -> None:
        """Of a term as it was: it may have ended, moved, or come back since."""
        term = data.draw(self.lately(), label="term")
        led, backend = self.led.get(term.election), self.backends[slot]
        live = led is not None and (led.token, led.session) == (term.token, term.session)
        if live and term.session != backend.session:
            return  # a live term is released by its own session
        self.run(backend.release(term))
        if live:
            del self.led[term.election]

    @rule(slot=SLOTS, claims=st.fixed_dictionaries(dict.fromkeys(NAMES, KEEPS)))
    def renew(self, slot: int, claims: dict[str, str]) -> None:
        backend = self.backends[slot]
        session, keep = backend.session, set()
        for election, how in claims.items():
            led = self.led.get(election)
            right = led.token if led else self.highest + 1
            token = {"right": right, "wrong": right + 1}.get(how)
            if how != "left out":
                keep.add(Claim(election, token))
        self.run(backend.renew(keep))
        renewal = self.run(backend.renew(keep))  # two ticks: the bound for what is left out
        if slot in self.dead:
            assert backend.session != session
            self.dead.discard(slot)
        for election, led in self.hanging_on(session).items():
            if not keep & {Claim(election, led.token), Claim(election, None)}:
                del self.led[election]
            elif backend.session != session:  # a driver may end the rest by changing sessions
                self.led[election] = replace(led, session=backend.session)
        hanging = self.hanging_on(backend.session)
        assert renewal.survivors == {Claim(e, led.token) for e, led in hanging.items()}

    @rule(slot=SLOTS, by_hand=st.booleans())
    def end_session(self, slot: int, by_hand: bool) -> None:
        backend = self.backends[slot]
        if slot in self.dead:
            return
        if by_hand:
            self.run(self.harness.end_session(backend.session))
        else:
            self.run(self.harness.expire(backend))
        self.dead.add(slot)
        for election in self.hanging_on(backend.session):
            del self.led[election]

    @rule(election=ELECTIONS)
    def delete_by_hand(self, election: str) -> None:
        self.run(self.harness.delete(election))
        self.led.pop(election, None)

    @rule(slot=SLOTS)
    def leave_and_open_another(self, slot: int) -> None:
        left = self.backends[slot]

        async def steps() -> Backend:
            await self.harness.leave(left)
            return await self.harness.open()

        self.backends[slot] = self.run(steps())
        self.dead.discard(slot)
        if not left.limits.moves_terms:
            for election in self.hanging_on(left.session):
                del self.led[election]

    def lately(self) -> st.SearchStrategy[Term]:
        return st.sampled_from(self.past[:-9:-1])

    def hanging_on(self, session: str) -> dict[str, Led]:
        return {e: led for e, led in self.led.items() if led.session == session}

    @precondition(lambda self: self.backends)
    @invariant()
    def every_session_reads_the_model(self) -> None:
        for election in NAMES:
            for backend in (*self.backends, self.observer):
                self.agree(self.run(backend.read(election)))

    @precondition(lambda self: self.backends)
    @invariant()
    def the_watch_comes_to_the_same(self) -> None:
        assert self.watch is not None
        try:
            self.run(self.catch_up(self.watch))
        except TimeoutError:
            raise AssertionError(f"{self.led} is so, the watch told {self.watched}") from None

    async def catch_up(self, watch: Watching) -> None:
        while {e: _led(term) for e, term in self.watched.items()} != self.led:
            item = await watch.next()
            assert isinstance(item, Snapshot)
            self.watched.pop(item.election, None)
            if item.term is not None:
                self.watched[item.election] = item.term

    def agree(self, snapshot: Snapshot) -> None:
        term = snapshot.term
        assert (_led(term) if term else None) == self.led.get(snapshot.election)
        if term is not None and term != self.latest.get(term.election):
            self.latest[term.election] = term
            self.past.append(term)


def _led(term: Term) -> Led:
    return Led(term.token, term.holder, term.attempt, term.value, term.session)
