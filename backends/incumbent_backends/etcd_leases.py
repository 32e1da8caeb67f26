"""The leases of one session, and the stream that keeps them alive.

A session has one lease. A second one, longer, is there as long as a term hangs on it that was
promised more than the first one was granted: so a move never shortens. Both are kept alive by the
same rounds, one request under way at a time, and an answer counts for the instant of its sending.

Keepalives do not pass through etcd's log. A leader of etcd that was frozen, and does not know yet
that there is another, answers them as if they counted: so an answer is worth something only if the
cluster is still in that leader's raft term.
"""

import asyncio
import math
import time
from collections import Counter
from typing import NamedTuple

import grpc

from incumbent_backends import etcd_pb2 as pb
from incumbent_backends.api import Clock, Unavailable
from incumbent_backends.etcd_client import GRANT, KEEP_ALIVE, REVOKE, Client, Link
from incumbent_backends.etcd_errors import is_gone
from incumbent_backends.etcd_terms import FAMILY, new_family, session_name


class Kept(NamedTuple):
    """What a round of keepalives has achieved."""

    good_until: float
    raft_term: int  # of etcd, as the round began


class Leases:
    """A session's leases in etcd, by id: the seconds that each was granted."""

    def __init__(self, client: Client, clock: Clock, ttl: int) -> None:
        self.asked = ttl  # whole seconds
        self.first = new_family()
        self.granted: dict[int, int] = {self.first: ttl}
        self.good_until = 0.0  # of the session as it was opened
        self._client = client
        self._clock = clock
        self._rounds = 0  # begun so far
        self._answered = 0  # the last one that kept all alive,
        self._kept = Kept(0.0, 0)  # and what it achieved
        self._lock = asyncio.Lock()
        self._granting = asyncio.Lock()
        self._stream: (
            grpc.aio.StreamStreamCall[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse] | None
        ) = None
        self._link: Link | None = None
        self._spare = 0
        self.moving: Counter[int] = Counter()  # moves under way, by the lease that they go to
        self.moves: Counter[int] = Counter()  # and all that ever began
        self._idle: dict[int, int] = {}  # found with nothing on it: the moves to it until then

    @property
    def session(self) -> str:
        return session_name(self.first)

    async def open(self) -> None:
        """Begin a new session, under a new name, with nothing on it."""
        first = new_family()
        began = self._clock.now()
        granted = await self._grant(first, self.asked)
        self.first, self.granted = first, {first: granted}
        self.good_until = began + granted

    async def _grant(self, lease: int, ttl: int) -> int:
        answer = await self._client.call(GRANT, pb.LeaseGrantRequest(ID=lease, TTL=ttl))
        if lease != answer.ID or answer.TTL <= 0:
            raise Unavailable("etcd has granted another lease than was asked for")
        return answer.TTL

    async def keep_alive(self, *, reopen: bool = False) -> Kept | None:
        """Renew all, by a round begun after this call.

        None: the session has died; if told so, another is open now. The leases that were left of
        it end by themselves: a longer one may carry what other gateways have promised.
        """
        asked = self._rounds
        async with self._lock:
            if self._answered > asked:
                return self._kept
            self._rounds += 1
            this = self._rounds
            kept = await self._round()
            if kept is not None:
                self._kept, self._answered = kept, this
            elif reopen:
                await self.open()
            return kept

    async def _round(self) -> Kept | None:
        first, until, terms = self.first, [], []
        for lease, granted in list(self.granted.items()):
            sent = self._clock.now()
            answer = await self._say(lease)
            if answer.TTL > 0:
                until.append(sent + min(answer.TTL, granted))
                terms.append(answer.header.raft_term)
            elif lease == first:
                return None
            else:
                self.granted.pop(lease, None)  # with all that hung on it
        return Kept(min(until), min(terms))

    async def _say(self, lease: int) -> pb.LeaseKeepAliveResponse:
        """Send one request on the stream and return its answer; TTL 0: the lease is dead."""
        link = await self._client.link()
        if self._stream is None or self._link is not link:
            self._drop()
            self._link, self._stream = link, self._client.stream(link, KEEP_ALIVE)
        stream, kept, began = self._stream, False, time.monotonic()
        try:
            async with asyncio.timeout(self._client.patience):
                await stream.write(pb.LeaseKeepAliveRequest(ID=lease))
                answer = await stream.read()
            if not isinstance(answer, pb.LeaseKeepAliveResponse):
                raise await self._ended(link, stream)
            self._client.check(answer)
            if lease != answer.ID:
                raise Unavailable("etcd has renewed another lease than was asked for")
            if answer.header.raft_term < self._client.raft_term:
                raise Unavailable("a former leader of etcd has answered")
            kept = True
            return answer
        except asyncio.CancelledError:
            self._client.cancelled(link, began)
            raise
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
        self.moving[lease] += 1
        self.moves[lease] += 1
        return lease

    async def _renewed(self, seconds: float) -> int | None:
        """The first lease that is long enough, renewed since this call began."""
        if await self.keep_alive() is None:
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
        self.moving[lease] -= 1

    async def shed(self, used: set[int], moves: Counter[int]) -> None:
        """End the longer leases that were found with nothing on them twice, and no move between.

        `used` is what was found, and `moves` what had begun before anybody looked: the outcome of a
        move may be unknown, and it may land as late as that.
        """
        idle = {lease: moves[lease] for lease in self.granted if lease not in {self.first, *used}}
        before, self._idle = self._idle, idle
        for lease, count in idle.items():
            # Asked anew for each: a move may have begun while the one before was being ended.
            if before.get(lease) == count == self.moves[lease] and not self.moving[lease]:
                del self.granted[lease]  # first: nobody may take it from here on
                await self._revoke(lease)

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
