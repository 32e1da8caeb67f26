"""What a candidacy is after, and the client's ends of its streams."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulation.gateway import Gateway
from tests.simulation.loop import SimLoop
from tests.simulation.messages import Over, Resign, UnaryResign
from tests.simulation.network import Stream

if TYPE_CHECKING:
    from tests.simulation.candidate import Candidate


@dataclass(slots=True)
class Wishes:
    """What this candidacy is after."""

    election: str
    ttl: float
    keep: bool
    beats: bool  # sends heartbeats
    no_wait: bool
    gateway: int  # where it enters first
    hold: float  # seconds for which it leads
    patience: float  # seconds for which it waits
    proclaims: bool
    ending: str  # how it stops leading: stream, unary (through another gateway), close
    shorter: bool  # resumes with a shorter ttl
    greedy: bool  # believes older streams until the newest answers
    restless: bool  # moves to the next gateway now and then, for no reason
    pace: float  # seconds between two writes, or so


class Leg:
    """The client's end of one Campaign stream, that of `attempt`, which resumes that token."""

    def __init__(
        self, candidate: "Candidate", stream: Stream, attempt: int, resumes: int | None
    ) -> None:
        self.candidate, self.stream = candidate, stream
        self.attempt, self.resumes = attempt, resumes
        self.sent: dict[int, float] = {}  # sequence → instant before it was handed over
        self.ended = False

    def send(self, message: object, now: float | None = None) -> None:
        """Hand over a message; given `now`, the next that trust may count from."""
        if now is not None:
            self.sent[len(self.sent)] = now
        self.stream.up.send(message)

    def receive(self, message: object) -> None:
        if not self.ended:
            self.candidate.read(self, message)

    def broken(self) -> None:
        if not self.ended:
            self.ended = True
            self.candidate.left(self)

    def close(self) -> None:
        if not self.ended:
            self.ended = True
            self.stream.up.reset()


async def resign(
    candidate: "Candidate", leg: Leg | None, gateways: Sequence[Gateway]
) -> Over | None:
    """Resign on `leg`, or through one gateway after the other until one answers."""
    loop, wait = candidate.site.loop, 2 * candidate.ttl
    answer: Over | None = None
    if leg is not None:
        farewell = Farewell(loop)
        leg.stream.down.end = farewell
        leg.stream.up.send(Resign())
        answer = await farewell.wait(wait)
    for gateway in gateways:
        if answer is not None and not answer.elsewhere:
            break
        stream = candidate.site.network.connect(candidate.process, gateway.process)
        farewell = Farewell(loop)
        stream.down.end = farewell
        candidate.site.network.at(loop.time(), gateway.process.call, gateway.accept, stream)
        stream.up.send(UnaryResign(candidate.wishes.election, candidate.name))
        answer = await farewell.wait(wait) or answer
    return answer


class Farewell:
    """Waits for the answer to a resign, and for nothing else."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self._done = asyncio.Event()
        self.over: Over | None = None

    def receive(self, message: object) -> None:
        if isinstance(message, Over):
            self.over = message
            self._done.set()

    def broken(self) -> None:
        self._done.set()

    async def wait(self, seconds: float) -> Over | None:
        timer = self._loop.call_later(seconds, self._done.set)
        await self._done.wait()
        timer.cancel()
        return self.over
