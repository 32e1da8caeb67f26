"""Where a run plays: store, network, gateways, clients; drawn from the seed, or given."""

from dataclasses import dataclass

from tests.simulation.client import Client, Site
from tests.simulation.gateway import Gateway
from tests.simulation.history import History
from tests.simulation.loop import SimLoop
from tests.simulation.network import Network
from tests.simulation.register import Register
from tests.simulation.store import SimStore
from tests.simulation.world import SimWorld, dice

MECHANISMS = (  # moves terms, sessions break with their connection
    *((True, False),) * 7,
    (False, False),
    (False, True),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a place consists of. Times in seconds."""

    seed: int
    backend_ttls: tuple[float, ...]  # one a gateway
    elections: int
    clients: int
    moves_terms: bool = True
    sessions_break: bool = False  # the store ends a session when its connection does
    push: bool = True  # the store tells who watches; else they look now and then


def draw(seed: int) -> Plan:
    """Draw a place."""
    rng = dice(seed, "place")
    ttl = rng.choice((2.0, 3.0, 5.0))
    others = (ttl, ttl, ttl, rng.choice((2.0, 3.0, 5.0)))
    gateways = rng.choice((1, 2, 2, 3, 3))
    moves_terms, sessions_break = rng.choice(MECHANISMS)
    elections = rng.randint(1, 2)
    return Plan(
        seed=seed,
        backend_ttls=tuple(rng.choice(others) for _ in range(gateways)),
        elections=elections,
        clients=rng.randint(2, 6),
        moves_terms=moves_terms,
        sessions_break=sessions_break,
        push=rng.random() < 0.75,
    )


class Place:
    def __init__(self, plan: Plan) -> None:
        self.plan, self.seed = plan, plan.seed
        self.backend_ttl = max(plan.backend_ttls)
        self.moves_terms, self.sessions_break = plan.moves_terms, plan.sessions_break
        self.loop = loop = SimLoop()
        self.history = history = History(loop)
        self.store = SimStore(loop, dice(self.seed, "store"), history, push=plan.push)
        self.network = Network(loop, dice(self.seed, "network"))
        self.register = Register(loop, dice(self.seed, "register"), history)
        self.gateways: list[Gateway] = []
        self.elections = [f"e{number}" for number in range(plan.elections)]
        self.site = Site(loop, self.network, history, self.gateways, self.register)
        self.clients: list[Client] = []
        self._worlds = 0

    def world(self) -> SimWorld:
        """Make a clock and dice for one more process."""
        self._worlds += 1
        return SimWorld(self.loop, dice(self.seed, f"world {self._worlds}"))

    def open(self) -> None:
        """Start the gateways and the clients; to be called when the loop runs."""
        for number, ttl in enumerate(self.plan.backend_ttls):
            gateway = Gateway(
                self.loop, f"g{number}", self.store, self.network, self.history, self.world,
                backend_ttl=ttl, longest_ttl=self.backend_ttl, moves_terms=self.moves_terms,
            )  # fmt: skip
            self.gateways.append(gateway)
        for number in range(self.plan.clients):
            election = self.elections[number % len(self.elections)]
            rng = dice(self.seed, f"client {number}")
            self.clients.append(Client(f"c{number}", self.site, election, rng, self.world))

    @property
    def everybody(self) -> list[Client | Gateway]:
        return [*self.clients, *self.gateways]
