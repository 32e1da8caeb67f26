"""The memory store behind a bad network: calls are slow, lost, late, or taken twice."""

import asyncio
import random
from collections.abc import Callable, Iterator
from contextvars import Context
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from incumbent_backends.api import BackendError, Term, Unavailable
from incumbent_backends.memory import Call, MemoryStore, Space, Watcher
from tests.histories.events import Change, Stored
from tests.simulation.history import History
from tests.simulation.loop import SimLoop, Turn, current
from tests.simulation.world import EPOCH

T = TypeVar("T")
MUTATING = ("renew", "acquire", "release", "expire", "leave")
AWAITED = ("renew", "acquire", "release", "read")  # the core sets a deadline to these
PATIENCE = 2.0  # seconds after which the driver itself gives up what it asks on its own


@dataclass(slots=True)
class Weather:
    """How the store is for one gateway; chances are per call, durations in seconds."""

    fast: float = 0.0005
    slow: float = 0.004
    before: float = 0.0  # fails, nothing happened
    after: float = 0.0  # fails, though it happened
    late: float = 0.0  # happens long after the caller gave up
    twice: float = 0.0  # happens again later
    silent: bool = False  # requests vanish
    mute: bool = False  # answers vanish
    verbs: tuple[str, ...] = ()  # whom it hits; none named: all
    # It clears up as soon as the gateway counts its session as lost; what vanished arrives then.
    relents: bool = False


FAIR = Weather()


class Watchers(set[Watcher]):
    """A set that keeps its order: whom the store wakes first must not hang on addresses."""

    def __init__(self) -> None:
        super().__init__()
        self._order: dict[Watcher, None] = {}

    def add(self, element: Watcher) -> None:
        self._order[element] = None

    def discard(self, element: object) -> None:
        if isinstance(element, Watcher):
            self._order.pop(element, None)

    def __iter__(self) -> Iterator[Watcher]:
        return iter(self._order)


class TruthfulSpace(Space):
    """Notes in the history what the store really holds. Without push it is only polled."""

    def __init__(self, history: History, *, push: bool) -> None:
        super().__init__()
        self._history, self._push = history, push
        self.watchers = Watchers()

    def put(self, term: Term) -> None:
        before = self.term(term.election)
        change: Change = "granted"
        if before is not None and before.token == term.token:
            change = "moved" if before.session != term.session else "updated"
        super().put(term)
        self._tell(term, change, f"{term.candidate}/{term.attempt} on {term.session}")

    def delete(self, election: str) -> None:
        term = self.term(election)
        super().delete(election)
        if term is not None:
            self._tell(term, "ended", f"on {term.session}")

    def end_session(self, name: str, renewals: int | None = None) -> None:
        there = name in self.sessions
        super().end_session(name, renewals)
        if there and name not in self.sessions:
            self._history.note("store", "expired", detail=name)

    def _notify(self, election: str) -> None:
        for watcher in self.watchers:
            watcher.changed[election] = None
            if self._push:
                watcher.wake.set()

    def _tell(self, term: Term, change: Change, note: str) -> None:
        self._history.record(Stored, "store", term.election, term.token, change, note=note)

    def open_session(self, backend_ttl: timedelta) -> str:
        name = super().open_session(backend_ttl)
        self._history.note("store", "session", detail=name)
        return name


class SimStore(MemoryStore):
    def __init__(
        self, loop: SimLoop, rng: random.Random, history: History, *, push: bool = True
    ) -> None:
        super().__init__(wall=lambda: EPOCH + timedelta(seconds=loop.time()))
        self._loop = loop
        self._rng = rng
        self._history = history
        self._context = Context()  # the store's own process, which nothing stops
        self.truth = TruthfulSpace(history, push=push)
        self.weather: dict[str, Weather] = {}
        self.whims: dict[tuple[str, str], Weather] = {}  # by gateway and verb, before the weather
        self._held: dict[str, list[_Request]] = {}  # by weather that relents, of each gateway

    def space(self, namespace: str) -> Space:
        return self.truth

    def lost(self, gateway: str) -> None:
        """Take in that a gateway counts its session as lost."""
        if self.weather[gateway].relents:
            self.weather[gateway] = fair = Weather()
            for request in self._held.pop(gateway, ()):
                request.weather = fair
                self._after(self._delay(fair), self._arrived, request)

    async def perform(self, call: Call, step: Callable[[], T]) -> T:
        process = current()
        assert process is not None
        weather = self.weather[process.name]
        if weather.verbs and call.verb not in weather.verbs:
            weather = FAIR
        weather = self.whims.get((process.name, call.verb), weather)
        request = _Request(process.name, call, step, self._loop.create_future(), weather)
        there = self._delay(weather)
        if self._chance(weather.late, call):
            there += self._rng.uniform(0.3, 6)
        if self._chance(weather.twice, call):
            self._after(there + self._rng.uniform(0, 6), self._again, request)
        if self._chance(weather.before, call):
            self._after(there, request.fail)
        elif not weather.silent:
            self._after(there, self._arrived, request)
        elif weather.relents:
            held = self._held.get(process.name, ())
            pending = [each for each in held if not each.answer.done()]
            self._held[process.name] = [*pending, request]
        giving_up = None if call.verb in AWAITED else self._after(PATIENCE, request.fail)
        result: T = await request.answer
        if giving_up is not None:
            giving_up.cancel()
        return result

    def _arrived(self, request: "_Request") -> None:
        """Take the step, however long its caller may be gone; the answer travels back."""
        if request.answer.done() and request.call.verb in MUTATING:
            self._note(request, "landed late")
        outcome = request.take()
        if not request.weather.mute:
            if self._chance(request.weather.after, request.call):
                self._note(request, "answer lost")
                outcome = request.fail
            self._after(self._delay(request.weather), outcome)

    def _again(self, request: "_Request") -> None:
        if request.call.verb in MUTATING:
            self._note(request, "came twice")
        request.take()

    def _note(self, request: "_Request", what: str) -> None:
        detail = f"{request.call.verb} of {request.caller}"
        self._history.note("store", what, request.call.election, detail=detail)

    def _delay(self, weather: Weather) -> float:
        return self._rng.uniform(weather.fast, weather.slow)

    def _chance(self, chance: float, call: Call) -> bool:
        return self._rng.random() < chance and call.verb != "enter"

    def _after(self, delay: float, callback: Callable[..., object], *args: object) -> Turn:
        return self._loop.call_later(delay, callback, *args, context=self._context)


@dataclass(slots=True)
class _Request:
    caller: str
    call: Call
    step: Callable[[], Any]
    answer: "asyncio.Future[Any]"
    weather: Weather  # as it was when the request was sent; it may change before the answer

    def take(self) -> Callable[[], None]:
        """Take the step now; return what tells the caller."""
        try:
            result = self.step()
        except BackendError as error:
            return partial(self.fail, error)
        return partial(self._succeed, result)

    def fail(self, error: BackendError | None = None) -> None:
        if not self.answer.done():
            self.answer.set_exception(error or Unavailable("the store is out of reach"))

    def _succeed(self, result: object) -> None:
        if not self.answer.done():
            self.answer.set_result(result)
