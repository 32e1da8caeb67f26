"""Everything but campaigns: a call goes to the gateway that answered last, then to the others."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

from grpc import aio

from incumbent._channels import Channels
from incumbent._clock import boottime
from incumbent._failure import Failure, failure_of, unavailable
from incumbent._seen import Seen
from incumbent._target import Target, int64, text
from incumbent._wire import leader_of, to_backend, to_election, to_observation, to_verification
from incumbent.v1 import election_service_pb2 as pb
from incumbent.v1 import election_service_pb2_grpc as rpc
from incumbent.values import Backend, Election, Leader, Observation, Verification

Q = TypeVar("Q")
A = TypeVar("A")
LEAST_TRY = 1.0  # seconds that one gateway is given
PAUSE = (0.05, 1.0)  # seconds between two rounds of all gateways: at first, and at most
PAGE = 1_000
DENIALS = ("NOT_LEADER", "HELD_BY_OTHER_GATEWAY")  # of a resign: another gateway may know better


class Rounds:
    """Tries of one call: which gateway is next, how long to pause, when to give up."""

    def __init__(
        self, channels: Channels, target: Target, first: int | None = None, within: float = math.inf
    ) -> None:
        self._channels = channels
        self._target = target
        self._first = channels.preferred if first is None else first
        self._within = within if target.timeout is None else min(within, target.timeout)
        self._said: dict[str, Failure] = {}
        self._tries = 0
        self._since = boottime()  # nobody has answered since then; inf: somebody does

    @property
    def gateway(self) -> int:
        """The gateway to be tried."""
        return (self._first + self._tries) % len(self._target.addresses)

    def patience(self) -> float:
        """Seconds for one try."""
        if self._within == math.inf:
            return 10.0
        fair = max(LEAST_TRY, self._within / (len(self._target.addresses) + 1))
        return max(0.001, min(fair, self._since + self._within - boottime()))

    def answered(self) -> None:
        """Remember who answers, and count time and tries anew."""
        self._channels.preferred = self._first = self.gateway
        self._tries = 0
        self._since = math.inf

    def next(self) -> None:
        """Go on to the next gateway without a pause."""
        self._tries += 1

    async def failed(self, how: Failure) -> None:
        """Pause before the next try. Raises Refused, or Unavailable when time is up."""
        count = len(self._target.addresses)
        room_elsewhere = how.status == "RESOURCE_EXHAUSTED" and self._tries + 1 < count
        if how.final and not room_elsewhere:
            raise how.to_error() from None
        self._said[self._target.addresses[self.gateway]] = how
        self._since = min(self._since, boottime())
        self._tries += 1
        rounds, within = divmod(self._tries, count)
        first, most = PAUSE
        pause = 0.0 if within else min(most, first * 2.0 ** (rounds - 1))
        if boottime() + pause >= self._since + self._within:
            raise unavailable(self._within, self._said) from None
        await asyncio.sleep(pause)


class Calls:
    """The calls of one client."""

    def __init__(self, channels: Channels, target: Target) -> None:
        self._channels = channels
        self._target = target

    async def _try(
        self,
        method: Callable[["rpc.ElectionServiceAsyncStub"], "aio.UnaryUnaryMultiCallable[Q, A]"],
        request: Q,
        rounds: Rounds,
    ) -> A:
        """Ask one gateway. Raises Failure."""
        within = rounds.patience()
        try:
            async with asyncio.timeout(within):
                metadata = await self._target.metadata()
                call = method(self._channels.stub(rounds.gateway))
                return await call(request, metadata=metadata, timeout=within)
        except Exception as error:  # noqa: BLE001 - gRPC, or the caller's `token`
            raise _why(error) from None

    async def _unary(
        self,
        method: Callable[["rpc.ElectionServiceAsyncStub"], "aio.UnaryUnaryMultiCallable[Q, A]"],
        request: Q,
    ) -> A:
        rounds = Rounds(self._channels, self._target)
        while True:
            try:
                answer = await self._try(method, request, rounds)
            except Failure as how:
                await rounds.failed(how)
            else:
                rounds.answered()
                return answer

    async def leader(self, election: str) -> Leader | None:
        request = pb.GetLeaderRequest(election=text(election, "election"))
        answer = await self._unary(lambda stub: stub.GetLeader, request)
        return leader_of(answer)

    async def verify(self, election: str, token: int) -> Verification:
        name, number = text(election, "election"), int64(token, "token")
        request = pb.VerifyTokenRequest(election=name, token=number)
        return to_verification(await self._unary(lambda stub: stub.VerifyToken, request))

    async def backend(self) -> Backend:
        return to_backend(await self._unary(lambda stub: stub.GetBackend, pb.GetBackendRequest()))

    async def resign(
        self, election: str, credential: str, first: int | None = None, within: float = math.inf
    ) -> Leader | None:
        """End a term or a wait; from gateway `first` on, for so many seconds at most.

        A wait is known to its own gateway only, so all are asked. NOT_LEADER after a try whose
        outcome is not known says that it was done then.
        """
        name, secret = text(election, "election"), text(credential, "credential")
        request = pb.ResignRequest(election=name, credential=secret)
        rounds = Rounds(self._channels, self._target, first, within)
        denied, unknown, done = None, False, False
        while denied is None:
            for _ in self._target.addresses:
                try:
                    answer = await self._try(lambda stub: stub.Resign, request, rounds)
                except Failure as how:
                    if how.reason not in DENIALS:
                        unknown = True
                        await rounds.failed(how)
                        continue
                    denied, done = how, done or (unknown and how.reason == "NOT_LEADER")
                    rounds.next()
                else:
                    rounds.answered()
                    return leader_of(answer)
        if done:
            return None
        raise denied.to_error()

    async def page(self, prefix: str, after: str) -> tuple[list[Election], str | None]:
        """Fetch one page of elections, and what to ask the next one with; None: there is none."""
        prefix = text(prefix, "prefix")
        request = pb.ListElectionsRequest(prefix=prefix, page_size=PAGE, page_token=after)
        answer = await self._unary(lambda stub: stub.ListElections, request)
        return [to_election(each) for each in answer.elections], answer.next_page_token or None

    async def observe(self, election: str | None, prefix: str) -> AsyncGenerator[Observation, None]:
        """Follow for ever, from gateway to gateway. Tokens never go back."""
        request = pb.ObserveRequest(prefix=prefix)
        if election is not None:
            request = pb.ObserveRequest(election=election)
        rounds, seen = Rounds(self._channels, self._target), Seen()
        while True:
            try:
                async with aclosing(self._follow(request, rounds)) as responses:
                    async for response in responses:
                        rounds.answered()
                        for news in seen.take(to_observation(response)):
                            yield news
            except Failure as how:
                seen.begin()
                await rounds.failed(how)

    async def _follow(
        self, request: pb.ObserveRequest, rounds: Rounds
    ) -> AsyncGenerator[pb.ObserveResponse, None]:
        """Read one stream. The first message comes at once, or that gateway is of no use."""
        call: Any = None
        try:
            async with asyncio.timeout(rounds.patience()):
                metadata = await self._target.metadata()
                call = self._channels.stub(rounds.gateway).Observe(request, metadata=metadata)
                response = await call.read()
            while response is not aio.EOF:
                yield response
                response = await call.read()
        except Exception as error:  # noqa: BLE001 - gRPC, or the caller's `token`
            raise _why(error) from None
        finally:
            if call is not None:
                call.cancel()
        raise Failure("UNAVAILABLE", "", "the stream ended")


def _why(error: Exception) -> Failure:
    """Say why a call failed: by its status, or before it had any."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, aio.AioRpcError):
        return failure_of(error)
    if isinstance(error, TimeoutError):
        return Failure("DEADLINE_EXCEEDED", "", "no answer")
    return Failure("UNKNOWN", "", f"cannot be called: {error}")
