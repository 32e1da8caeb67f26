"""One gateway: the real Elector over the memory driver, and what the service would do around it."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import timedelta

from incumbent_backends.api import Options, Term, Unavailable
from incumbent_backends.memory import Memory
from incumbent_server.elector import Elector
from incumbent_server.reasons import Reason
from incumbent_server.session import Standing
from tests.histories.events import Closed, Fault, Observed, Observing
from tests.simulation.history import History
from tests.simulation.loop import Process, SimLoop
from tests.simulation.network import Network, Stream
from tests.simulation.promises import Promises
from tests.simulation.served import Served
from tests.simulation.store import SimStore, Weather
from tests.simulation.world import DRIFT, SimWorld

BACKGROUND = 3  # tasks of an elector that never end: keep, follow, judge
OPENING = 2.0  # seconds after which a driver gives up to open its session
CLOSING = 1.0  # seconds that a drained gateway gets to close before it is killed


class Log:
    """The elector's witness."""

    def __init__(self, history: History, name: str, promises: Promises, store: SimStore) -> None:
        self._history, self._name, self._promises = history, name, promises
        self._store = store

    def won(self, term: Term, *, resumed: bool) -> None:
        self._history.note(self._name, "seats", term.election, term.token, term.candidate)
        if not resumed:
            self._promises.won(term)

    def gone(self, term: Term, reason: Reason | None, **_: object) -> None:
        self._history.note(self._name, "unseats", term.election, term.token, str(reason))
        self._promises.gone(term, reason)

    def standing(self, standing: Standing) -> None:
        self._history.note(self._name, standing.value)
        if standing is Standing.LOST:
            self._store.lost(self._name)

    def called(self, verb: str, outcome: str, seconds: float) -> None:
        if (verb, outcome) == ("renew", "ok"):
            self._promises.renewed(self._history.loop.time() - seconds / (1 - DRIFT))

    def trouble(self, verb: str, *what: object) -> None:
        self._history.note(self._name, "trouble", detail=f"{verb}: {what[-1]}")


class Gateway:
    """A host that runs gateway processes, one after the other."""

    def __init__(
        self,
        loop: SimLoop,
        name: str,
        store: SimStore,
        network: Network,
        history: History,
        world: Callable[[], SimWorld],
        *,
        backend_ttl: float,
        moves_terms: bool,
        longest_ttl: float = 0.0,  # of any gateway
    ) -> None:
        self.name, self.loop = name, loop
        self.backend_ttl, self._longest_ttl = backend_ttl, max(longest_ttl, backend_ttl)
        self._store, self.network, self._history = store, network, history
        self._world, self._moves = world, moves_terms
        self._ttl = timedelta(seconds=backend_ttl)
        self.buried: list[Process] = []
        self.elector: Elector | None = None
        self._eyes = 0  # streams that observed so far
        self.start()

    def start(self) -> None:
        """Start a process, the first one or instead of one that ended."""
        self._history.note(self.name, "starts")
        self._store.weather.setdefault(self.name, Weather())
        self.elector = None
        self._backend: Memory | None = None
        self.stopping = self._deaf = False
        self._served: dict[Served, None] = {}
        self.promises = Promises(
            self._history, self.name, self._served, ttl=self.backend_ttl, longest=self._longest_ttl
        )
        self.process = Process(self.loop, self.name)
        self._stop = asyncio.Event()
        self._patience = 0.0
        self.work = self.process.start(self._serve())

    def kill(self) -> None:
        """End the process as kill -9 does: nothing of it runs any more."""
        self._history.record(Fault, "scenario", "kill", self.name)
        self.process.kill()
        self.buried.append(self.process)

    @property
    def up(self) -> bool:
        return not self.process.killed and not self.work.done()

    @property
    def sessions(self) -> list[str]:
        """The sessions that this process has in the store: one, or none."""
        session = self._backend.session if self._backend is not None else ""
        return [session] if session else []

    def stop(self, patience: float) -> None:
        """Ask it to drain and to end, as SIGTERM does."""
        self.stopping = True
        self._history.note(self.name, "drains", detail=f"{patience:.1f} s")
        self._patience = patience
        self.process.call(self._stop.set)

    async def _serve(self) -> None:
        world = self.clock = self._world()
        options = Options("sim", self._ttl, world)
        self._backend = backend = Memory.on(self._store, options, moves_terms=self._moves)
        elector = Elector(
            backend,
            backend_ttl=self._ttl,
            capacity=100,
            world=world,
            witness=Log(self._history, self.name, self.promises, self._store),
        )
        while not self._stop.is_set():
            try:
                async with asyncio.timeout(OPENING) as limit, backend, elector:
                    limit.reschedule(None)
                    self.elector = elector
                    watching = asyncio.create_task(self._observe(elector))
                    await self._stop.wait()
                    watching.cancel()
                    await elector.drain(self._patience)
                    self._hang_up()
                    limit.reschedule(self.loop.time() + CLOSING)
            except Unavailable:
                await world.sleep(0.5)
            except TimeoutError:
                if self._deaf:
                    self._history.note(self.name, "did not close")
        self._history.note(self.name, "stopped")

    def leftovers(self) -> list[str]:
        """Tell what the elector still holds: nothing, when nobody campaigns any more."""
        elector = self.elector
        if elector is None:
            return ["never got to work"]
        left = [f"ballot {name}: {ballot}" for name, ballot in elector._ballots.items()]
        left += [f"working on {name}" for name in elector._working]
        tasks = len(elector._tasks) - BACKGROUND
        return left + ([f"{tasks} tasks"] if tasks else [])

    async def _observe(self, elector: Elector) -> None:
        """Read all elections, as the service does for one Observe stream."""
        await elector.until_ready()
        observer = await elector.observe()
        self._eyes += 1
        stream = f"eye {self._eyes}"
        self._history.record(Observing, self.name, stream, prefix="")
        try:
            self._see(stream, observer.take())
            self._history.record(Observed, self.name, stream, synced=True)
            while True:
                self._see(stream, await observer.changes())
        finally:
            self._history.record(Closed, self.name, stream)

    def _see(self, stream: str, news: Iterable[tuple[str, Term | None]]) -> None:
        for election, term in news:
            token = term.token if term is not None else None
            self._history.record(Observed, self.name, stream, election, token)

    def accept(self, stream: Stream) -> None:
        """Take a new stream; refused when nothing listens."""
        if not self.up or self._deaf:
            stream.down.reset()
            return
        served = stream.up.end = Served(self, stream)
        self._served[served] = None

    def _hang_up(self) -> None:
        """End every stream, as a server does before it closes what it serves."""
        self._deaf = True
        for served in list(self._served):
            served.broken()
        self.network.reset(self.process)

    def forget(self, served: "Served") -> None:
        self._served.pop(served, None)
