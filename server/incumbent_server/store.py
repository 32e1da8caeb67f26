"""The backend as the elector calls it: a deadline on every verb, and each call witnessed."""

import asyncio
from collections.abc import Awaitable, Collection
from typing import Literal, Protocol, TypeVar

from incumbent_backends.api import Backend, Claim, Rejected, Renewal, Snapshot, Term, Unavailable
from incumbent_server.candidacy import Acquire
from incumbent_server.clock import World
from incumbent_server.reasons import Reason
from incumbent_server.session import Standing

T = TypeVar("T")
Verb = Literal["renew", "acquire", "release", "read", "watch"]
Outcome = Literal["ok", "unavailable", "rejected"]

# Acquires in flight. A driver may do one thing at a time, and its queue counts against deadlines:
# even at 10 ms each (a slow disk) so many fit into the shortest, a third of a backend ttl of 1 s.
# Releases and reads wait behind so many at most.
ACQUIRES = 32


class Witness(Protocol):
    """Who is told what the elector does, for logs and metrics."""

    def won(self, term: Term, *, resumed: bool) -> None: ...
    def gone(self, term: Term, reason: Reason | None) -> None: ...
    def standing(self, standing: Standing) -> None: ...
    def called(self, verb: Verb, outcome: Outcome, seconds: float) -> None: ...
    def trouble(self, verb: Verb, error: Exception, now: float) -> None: ...


class Store:
    """The backend's verbs. Past its deadline a call is cancelled: its outcome is unknown.

    No acquire begins while a renewal is under way. A renewal ends what it was not told to keep,
    so it must know every acquire that could bring such a term back as a win. An acquire's deadline
    begins when it is its turn.
    """

    def __init__(self, backend: Backend, deadline: float, world: World, witness: Witness) -> None:
        self._backend = backend
        self._deadline = deadline
        self._world = world
        self._witness = witness
        self._not_renewing = asyncio.Event()
        self._not_renewing.set()
        self._turns = asyncio.Semaphore(ACQUIRES)

    async def renew(self, keep: Collection[Claim]) -> Renewal:
        self._not_renewing.clear()
        try:
            return await self._call("renew", self._backend.renew(keep))
        finally:
            self._not_renewing.set()

    async def acquire(self, election: str, op: Acquire) -> Snapshot:
        async with self._turns:
            await self._not_renewing.wait()
            call = self._backend.acquire(
                election,
                holder=op.holder,
                attempt=op.attempt,
                candidate=op.candidate,
                value=op.value,
                resume=op.resume,
            )
            return await self._call("acquire", call)

    async def release(self, term: Term) -> None:
        await self._call("release", self._backend.release(term))

    async def read(self, election: str) -> Snapshot:
        return await self._call("read", self._backend.read(election))

    async def _call(self, verb: Verb, call: Awaitable[T]) -> T:
        began = self._world.now()
        outcome: Outcome = "unavailable"
        try:
            async with asyncio.timeout(self._deadline):
                result = await call
            outcome = "ok"
            return result
        except TimeoutError as error:
            unavailable = Unavailable(f"the store did not answer within {self._deadline:.3g} s")
            self._witness.trouble(verb, unavailable, self._world.now())
            raise unavailable from error
        except Unavailable as error:
            self._witness.trouble(verb, error, self._world.now())
            raise
        except Rejected as error:
            outcome = "rejected"
            self._witness.trouble(verb, error, self._world.now())
            raise
        finally:
            self._witness.called(verb, outcome, self._world.now() - began)
