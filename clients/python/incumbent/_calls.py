"""Everything but campaigns: a call goes to the gateway that answered last, then to the others."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

from grpc import aio

from incumbent._channels import Channels
from incumbent._clock import boottime
from incumbent._failure import Failure, failure_of, unavailable
from incumbent._target import Target
from incumbent._wire import leader_of, to_backend, to_election, to_observation, to_verification
from incumbent.v1 import election_service_pb2 as pb
from incumbent.v1 import election_service_pb2_grpc as rpc
from incumbent.values import Backend, Election, Leader, Observation, Verification

Q = TypeVar("Q")
A = TypeVar("A")
LEAST_TRY = 1.0  # seconds that one gateway is given
PAUSE = (0.05, 1.0)  # seconds between two rounds of all gateways: at first, and at most
PAGE = 1_000


class Rounds:
    """Tries of one call: which gateway is next, how long to pause, when to give up."""

    def __init__(self, channels: Channels, target: Target) -> None:
        self._channels = channels
        self._target = target
        self._said: dict[str, Failure] = {}
        self._tries = 0
        self._began = boottime()

    @property
    def gateway(self) -> int:
        """The gateway to be tried."""
        return (self._channels.preferred + self._tries) % len(self._target.addresses)

    def patience(self) -> float:
        """Seconds for one try."""
        total = self._target.timeout
        if total is None:
            return 10.0
        fair = max(LEAST_TRY, total / (len(self._target.addresses) + 1))
        return max(0.001, min(fair, self._began + total - boottime()))

    def answered(self) -> None:
        """Remember who answers, and count time and tries anew."""
        self._channels.preferred = self.gateway
        self._tries = 0
        self._began = boottime()

    async def failed(self, how: Failure) -> None:
        """Pause before the next try. Raises Refused, or Unavailable when time is up."""
        if how.final:
            raise how.to_error() from None
        self._said[self._target.addresses[self.gateway]] = how
        self._tries += 1
        rounds, within = divmod(self._tries, len(self._target.addresses))
        first, most = PAUSE
        pause = 0.0 if within else min(most, first * 2.0 ** (rounds - 1))
        total = self._target.timeout
        if total is not None and boottime() + pause >= self._began + total:
            raise unavailable(total, self._said)
        await asyncio.sleep(pause)


class Calls:
    """The calls of one client."""

    def __init__(self, channels: Channels, target: Target) -> None:
        self._channels = channels
        self._target = target

    async def _unary(
        self,
        method: Callable[["rpc.ElectionServiceAsyncStub"], "aio.UnaryUnaryMultiCallable[Q, A]"],
        request: Q,
    ) -> A:
        rounds = Rounds(self._channels, self._target)
        while True:
            call = method(self._channels.stub(rounds.gateway))
            try:
                answer = await call(
                    request, metadata=self._target.metadata(), timeout=rounds.patience()
                )
            except aio.AioRpcError as error:
                await rounds.failed(failure_of(error))
            else:
                rounds.answered()
                return answer

    async def leader(self, election: str) -> Leader | None:
        request = pb.GetLeaderRequest(election=election)
        answer = await self._unary(lambda stub: stub.GetLeader, request)
        return leader_of(answer)

    async def verify(self, election: str, token: int) -> Verification:
        request = pb.VerifyTokenRequest(election=election, token=token)
        return to_verification(await self._unary(lambda stub: stub.VerifyToken, request))

    async def backend(self) -> Backend:
        return to_backend(await self._unary(lambda stub: stub.GetBackend, pb.GetBackendRequest()))

    async def resign(self, election: str, credential: str) -> Leader | None:
        request = pb.ResignRequest(election=election, credential=credential)
        answer = await self._unary(lambda stub: stub.Resign, request)
        return leader_of(answer)

    async def page(self, prefix: str, after: str) -> tuple[list[Election], str | None]:
        """Fetch one page of elections, and what to ask the next one with; None: there is none."""
        request = pb.ListElectionsRequest(prefix=prefix, page_size=PAGE, page_token=after)
        answer = await self._unary(lambda stub: stub.ListElections, request)
        return [to_election(each) for each in answer.elections], answer.next_page_token or None

    async def observe(self, election: str | None, prefix: str) -> AsyncGenerator[Observation, None]:
        """Follow for ever, from gateway to gateway. Tokens never go back."""
        request = pb.ObserveRequest(prefix=prefix)
        if election is not None:
            request = pb.ObserveRequest(election=election)
        rounds, seen = Rounds(self._channels, self._target), _Seen()
        while True:
            call = self._channels.stub(rounds.gateway).Observe(
                request, metadata=self._target.metadata()
            )
            try:
                async for response in call:
                    rounds.answered()
                    for news in seen.take(to_observation(response)):
                        yield news
                how = Failure("UNAVAILABLE", "", "the stream ended")
            except aio.AioRpcError as error:
                how = failure_of(error)
            finally:
                call.cancel()
            seen.begin()
            await rounds.failed(how)


class _Seen:
    """What an observer was told, so that a new stream brings only what is new to it."""

    def __init__(self) -> None:
        self._highest: dict[str, int] = {}  # election → token
        self._led: set[str] = set()
        self._unconfirmed: set[str] | None = None  # led before, not yet mentioned by a new stream
        self._synced = False

    def begin(self) -> None:
        """Expect the whole state again, from another stream."""
        self._unconfirmed = set(self._led)

    def take(self, told: Observation) -> list[Observation]:
        """Tell what of a message is news."""
        if told.synced:
            return self._sync(told)
        name, leader = told.election, told.leader
        if leader is not None and leader.token < self._highest.get(name, 0):
            return []  # that gateway is behind
        if self._unconfirmed is not None:
            self._unconfirmed.discard(name)
        if leader is None:
            self._led.discard(name)
        else:
            self._led.add(name)
            self._highest[name] = leader.token
        return [told]

    def _sync(self, told: Observation) -> list[Observation]:
        gone, self._unconfirmed = sorted(self._unconfirmed or ()), None
        self._led.difference_update(gone)
        first, self._synced = not self._synced, True
        return [Observation(name, None) for name in gone] + ([told] if first else [])
