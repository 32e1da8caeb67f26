"""A client that wants to lead again and again, in all ways that the rules for clients allow."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.histories.events import Fault
from tests.simulation.candidate import Candidate
from tests.simulation.gateway import Gateway
from tests.simulation.history import History
from tests.simulation.legs import Wishes
from tests.simulation.loop import Process, SimLoop
from tests.simulation.network import Network
from tests.simulation.register import Register
from tests.simulation.world import SimWorld


@dataclass(slots=True)
class Site:
    """What every client needs to know of the place."""

    loop: SimLoop
    network: Network
    history: History
    gateways: list[Gateway]
    register: Register


class Client:
    """Campaigns again and again, each time under a new credential, until `finishing` is set."""

    def __init__(
        self,
        name: str,
        site: Site,
        election: str,
        rng: random.Random,
        world: Callable[[], SimWorld],
    ) -> None:
        self.name, self.site, self.election, self.rng = name, site, election, rng
        self._world = world
        self._number = 0
        self.finishing = False
        self.buried: list[Process] = []
        self.candidate: Candidate | None = None
        self.start()

    def start(self) -> None:
        self.process = Process(self.site.loop, self.name)
        self.work = self.process.start(self._live(self._world()))

    def crash(self) -> None:
        name = self.name if self.candidate is None else self.candidate.name
        self.site.history.record(Fault, "scenario", "kill", name)
        self.process.kill()
        self.buried.append(self.process)

    def finish(self) -> None:
        """Ask it to lead once more at the most, soon and briefly."""
        self.finishing = True
        if self.candidate is not None:
            self.candidate.hurry()

    async def _live(self, world: SimWorld) -> None:
        while True:
            await world.sleep(self.rng.uniform(0.01, 0.6))
            self._number += 1
            self.candidate = Candidate(
                f"{self.name}.{self._number}", self.site, world, self.process, self._wishes()
            )
            if self.finishing:
                self.candidate.hurry()
            await self.candidate.campaign()
            if self.finishing and self.candidate.content:
                return

    def _wishes(self) -> Wishes:
        rng = self.rng
        keep = rng.random() < 0.7
        first = rng.randrange(len(self.site.gateways))
        return Wishes(
            election=self.election,
            ttl=rng.choice((1.0, 1.0, 2.0, 4.0, 8.0)),
            keep=keep,
            beats=keep or rng.random() < 0.5,
            no_wait=not self.finishing and rng.random() < 0.15,
            gateway=first,
            hold=rng.choice((0.1, 4.0, 4.0, 4.0)) * rng.expovariate(1),
            patience=rng.expovariate(1 / 20) + 1,
            proclaims=rng.random() < 0.4,
            ending=rng.choices(("stream", "unary", "close"), (6, 2, 2))[0],
            shorter=rng.random() < 0.2,
            greedy=rng.random() < 0.3,
            restless=not self.finishing and rng.random() < 0.15,
            pace=rng.choice((0.3, 1.0, 1.0)),
        )
