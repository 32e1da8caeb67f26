"""The leases of one session, and the stream that keeps them alive.

A session has one lease. A second one, longer, is there as long as a term hangs on it that was
promised more than the first one was granted: so a move never shortens. Both are kept alive by the
same rounds, one request under way at a time, and an answer counts for the instant of its sending.
"""

import asyncio
import logging
import math

import grpc

from incumbent_backends import etcd_pb2 as pb
from incumbent_backends.api import Clock, Unavailable
from incumbent_backends.etcd_client import GRANT, KEEP_ALIVE, REVOKE, Client, Link
from incumbent_backends.etcd_errors import is_gone
from incumbent_backends.etcd_terms import FAMILY, new_family, session_name

_log = logging.getLogger(__name__)


class Leases:
    """A session's leases in etcd, by id: the seconds that each was granted."""

    def __init__(self, client: Client, clock: Clock, ttl: int) -> None:
        self.asked = ttl  # whole seconds
        self.first = new_family()
        self.granted: dict[int, int] = {self.first: ttl}
        self.good_until = 0.0
        self._client = client
        self._clock = clock
        self._rounds = 0  # begun so far
        self._answered = 0  # the last one that kept all alive
        self._lock = asyncio.Lock()
        self._granting = asyncio.Lock()
        self._stream: (
            grpc.aio.StreamStreamCall[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse] | None
        ) = None
        self._link: Link | None = None
        self._spare = 0
        self.users: dict[int, int] = {}  # moves under way onto a longer lease

    @property
    def session(self) -> str:
        return session_name(self.first)

    async def open(self) -> None:
        """Begin a new session, under a new name, with nothing on it."""
        first = new_family()
        began = self._clock.now()
        granted = await self._grant(first, self.asked)
        self.first, self.granted, self.users = first, {first: granted}, {}
        self.good_until = began + granted

    async def _grant(self, lease: int, ttl: int) -> int:
        answer = await self._client.call(GRANT, pb.LeaseGrantRequest(ID=lease, TTL=ttl))
        if lease != answer.ID or answer.TTL <= 0:
            raise Unavailable("etcd has granted another lease than was asked for")
        return answer.TTL

    async def keep_alive(self) -> bool:
        """Renew all, by a round begun after this call; False: the session has died."""
        asked = self._rounds
        async with self._lock:
            if self._answered > asked:
                return True
            self._rounds += 1
            this = self._rounds
            first, until = self.first, []
            for lease, granted in list(self.granted.items()):
                sent = self._clock.now()
                ttl = await self._say(lease)
                if ttl > 0:
                    until.append(sent + min(ttl, granted))
                elif lease == first:
                    return False
                else:
                    self.granted.pop(lease, None)  # with all that hung on it
            self.good_until = min(until)
            self._answered = this
            return True

    async def _say(self, lease: int) -> int:
        """Send one request on the stream and return the TTL that is answered; 0: it is dead."""
        link = await self._client.link()
        if self._stream is None or self._link is not link:
            self._drop()
            self._link, self._stream = link, self._client.stream(link, KEEP_ALIVE)
        stream, kept = self._stream, False
        try:
            async with asyncio.timeout(self._client.patience):
                await stream.write(pb.LeaseKeepAliveRequest(ID=lease))
                answer = await stream.read()
            if not isinstance(answer, pb.LeaseKeepAliveResponse):
                raise await self._ended(link, stream)
            self._client.check(answer)
            if lease != answer.ID:
                raise Unavailable("etcd has renewed another lease than was asked for")
            kept = True
            return answer.TTL
        except TimeoutError as error:
            self._client.silent(link)
            raise Unavailable("etcd did not renew the lease in time") from error
        except grpc.aio.AioRpcError as error:
            raise self._client.failed(link, error) from error
        except asyncio.InvalidStateError as error:
            raise await self._ended(link, stream) from error
        finally:
            if not kept:  # a late answer would be taken for that of the next request
                self._drop()

    async def _ended(
        self,
        link: Link,
        stream: "grpc.aio.StreamStreamCall[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse]",
    ) -> Exception:
        error = grpc.aio.AioRpcError(
            await stream.code(), await stream.initial_metadata(),
            await stream.trailing_metadata(), await stream.details(),
        )  # fmt: skip
        return self._client.failed(link, error)

    def _drop(self) -> None:
        if self._stream is not None:
            self._stream.cancel()
        self._stream = self._link = None

    async def for_at_least(self, seconds: float) -> int:
        """A lease of this session for a term of this ttl, renewed since this call began.

        Unavailable: the session is dead, or etcd grants no such lease. The caller says
        `done_with` when its move has ended.
        """
        lease = await self._renewed(seconds)
        if lease is None:
            async with self._granting:  # or each of many moves would have a lease of its own
                lease = await self._renewed(seconds) or await self._another(seconds)
        self.users[lease] = self.users.get(lease, 0) + 1
        return lease

    async def _renewed(self, seconds: float) -> int | None:
        """The first lease that is long enough, renewed since this call began."""
        if not await self.keep_alive():
            raise Unavailable("this gateway's lease in etcd has ended; renewing opens one")
        return next((lease for lease, ttl in self.granted.items() if ttl >= seconds), None)

    async def _another(self, seconds: float) -> int:
        """Grant a longer one; fresh, it needs no renewal."""
        first = self.first
        self._spare = self._spare % (FAMILY - 1) + 1
        lease = first + self._spare
        granted = await self._grant(lease, math.ceil(seconds))
        if self.first != first or granted < seconds:
            raise Unavailable("the session that this term should move to has ended meanwhile")
        self.granted[lease] = granted
        return lease

    def done_with(self, lease: int) -> None:
        if lease in self.users:
            self.users[lease] -= 1

    async def shed(self, used: set[int]) -> None:
        """End the longer leases that nothing hangs on and nothing moves to."""
        for lease in list(self.granted):
            if lease != self.first and lease not in used and not self.users.get(lease):
                del self.granted[lease]  # first: nobody may take it from here on
                await self._revoke(lease)

    async def bury(self, family: dict[int, int]) -> None:
        """End what is left of a session that has died."""
        for lease in family:
            try:
                await self._revoke(lease)
            except Unavailable:
                _log.warning("what is left of a dead session in etcd ends with its ttl")

    async def end(self) -> None:
        """End the session, and all that hangs on it."""
        for lease in list(self.granted):
            await self._revoke(lease)

    async def _revoke(self, lease: int) -> None:
        try:
            await self._client.call_raw(REVOKE, pb.LeaseRevokeRequest(ID=lease))
        except grpc.aio.AioRpcError as error:
            if not is_gone(error):
                raise self._client.translate(error) from error

    def close(self) -> None:
        self._drop()
