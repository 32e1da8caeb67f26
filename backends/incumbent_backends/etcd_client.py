"""A cluster of etcd as one server: the member in use, who it is, and calls to it.

Calls go to one member until it fails or is silent; then the next one in the URL is asked. Every
member is asked who it is before it is used, and each answer says of which cluster it is. A call is
never repeated here, unless it is sure that nothing was done.
"""

import asyncio
import time
from contextlib import suppress
from typing import Any, Generic, NamedTuple, TypeVar

import grpc
from google.protobuf.message import Message

from incumbent_backends import etcd_pb2 as pb
from incumbent_backends.api import BackendError, Rejected, Unavailable
from incumbent_backends.etcd_errors import is_elsewhere, is_stale, to_mend, translate
from incumbent_backends.etcd_url import Address
from incumbent_backends.who_answers import heard, stranger

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)

ANSWER = 5.0  # seconds in which any call is answered or given up
OLDEST = (3, 5, 13)  # older ones let a stalled former leader revoke leases that were renewed

_OPTIONS = (
    ("grpc.keepalive_time_ms", 5000),
    ("grpc.keepalive_timeout_ms", 1000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.ping_timeout_ms", 1000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.max_receive_message_length", -1),  # a list of a namespace grows with it
    ("grpc.use_local_subchannel_pool", 1),  # a new channel is a new connection
    ("grpc.enable_http_proxy", 0),
)


# A member without a leader says so at once, and ends its streams.
_LEADER = ("hasleader", "true")


class Method(NamedTuple, Generic[Q, A]):
    """A method of etcd's API."""

    path: str
    request: type[Q]
    answer: type[A]


RANGE = Method("/etcdserverpb.KV/Range", pb.RangeRequest, pb.RangeResponse)
TXN = Method("/etcdserverpb.KV/Txn", pb.TxnRequest, pb.TxnResponse)
GRANT = Method("/etcdserverpb.Lease/LeaseGrant", pb.LeaseGrantRequest, pb.LeaseGrantResponse)
REVOKE = Method("/etcdserverpb.Lease/LeaseRevoke", pb.LeaseRevokeRequest, pb.LeaseRevokeResponse)
KEEP_ALIVE = Method(
    "/etcdserverpb.Lease/LeaseKeepAlive", pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse
)
WATCH = Method("/etcdserverpb.Watch/Watch", pb.WatchRequest, pb.WatchResponse)
STATUS = Method("/etcdserverpb.Maintenance/Status", pb.StatusRequest, pb.StatusResponse)
AUTHENTICATE = Method(
    "/etcdserverpb.Auth/Authenticate", pb.AuthenticateRequest, pb.AuthenticateResponse
)


class Link:
    """A connection to one member that has said who it is; `left` is set when it is given up."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.token = ""
        self.left = asyncio.Event()

    def metadata(self) -> list[tuple[str, str]]:
        return [_LEADER, ("token", self.token)] if self.token else [_LEADER]


class Client:
    """The cluster that a URL names."""

    def __init__(self, address: Address, patience: float) -> None:
        """`patience`: seconds of silence after which another member, if there is one, is tried."""
        self._address = address
        several = len(address.members) > 1
        self.patience = min(patience, ANSWER) if several else ANSWER
        self._leave_after = min(patience, ANSWER)
        self._credentials: grpc.ChannelCredentials | None = None
        self._link: Link | None = None
        self._linking = asyncio.Lock()
        self._next = 0
        self._cluster = 0
        self.raft_term = 0  # as of the last call that the cluster's majority has answered
        self._opened = False
        self._closing: set[asyncio.Task[None]] = set()

    def load(self) -> None:
        """Read the files of TLS. Rejected: one of them cannot be read."""
        self._credentials = self._address.credentials()

    def opened(self) -> None:
        """From now on errors are those of a running gateway."""
        self._opened = True

    def translate(self, error: grpc.aio.AioRpcError) -> BackendError:
        return translate(error, at_start=not self._opened)

    async def call(self, method: Method[Q, A], request: Q) -> A:
        """Call once. Raises BackendError; see `call_raw` for an answer of etcd's as it is."""
        try:
            return await self.call_raw(method, request)
        except grpc.aio.AioRpcError as error:
            raise self.translate(error) from error

    async def call_raw(self, method: Method[Q, A], request: Q) -> A:
        """Call once; anew only when a token had expired, as then nothing was done."""
        for last in (False, True):
            link = await self.link()
            token = link.token
            try:
                answer = await self._ask(link, method, request)
            except grpc.aio.AioRpcError as error:
                if last or not is_stale(error):
                    raise
                await self.renew_token(link, token)
            else:
                self.raft_term = self.check(answer)
                return answer
        raise AssertionError("the second time returns or raises")

    def check(self, answer: Any) -> int:
        """Insist that an answer comes from the cluster of the start; return its raft term."""
        if answer.header.cluster_id != self._cluster:
            self._leave(self._link)
            raise Unavailable("another etcd cluster answers than at the start: not used")
        return int(answer.header.raft_term)

    async def _ask(self, link: Link, method: Method[Q, A], request: Q) -> A:
        began = time.monotonic()
        try:
            return await self._unary(link, method, request, link.metadata())
        except asyncio.CancelledError:
            self.cancelled(link, began)
            raise
        except grpc.aio.AioRpcError as error:
            if is_elsewhere(error):
                self._leave(link)
            raise

    def cancelled(self, link: Link, began: float) -> None:
        """Take in that somebody else's patience ended with what was asked at that instant."""
        if time.monotonic() - began >= self._leave_after:
            self._leave(link)

    async def _unary(
        self, link: Link, method: Method[Q, A], request: Q, metadata: list[tuple[str, str]]
    ) -> A:
        ask = link.channel.unary_unary(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.answer.FromString,
        )
        answer: A = await ask(request, timeout=self.patience, metadata=metadata)
        return answer

    def stream(self, link: Link, method: Method[Q, A]) -> "grpc.aio.StreamStreamCall[Q, A]":
        """Open a stream; whoever does cancels it."""
        ask = link.channel.stream_stream(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.answer.FromString,
        )
        opened: grpc.aio.StreamStreamCall[Q, A] = ask(metadata=link.metadata())  # type: ignore[assignment]
        return opened

    def failed(self, link: Link, error: grpc.aio.AioRpcError) -> BackendError:
        """Take in that a stream has failed; say what it means."""
        if is_stale(error):  # a stream has no second try of its own
            self._leave(link)
            return Unavailable("the token of etcd's authentication has expired; another is asked")
        if is_elsewhere(error):
            self._leave(link)
        return self.translate(error)

    def silent(self, link: Link) -> None:
        """Take in that a stream was silent for too long."""
        self._leave(link)

    async def link(self) -> Link:
        """The link in use, or a new one to the first member that is fit. Raises BackendError."""
        async with self._linking:
            if self._link is not None:
                return self._link
            refusal: BackendError | None = None
            for _ in self._address.members:
                member = self._address.members[self._next]
                try:
                    self._link = await self._connect(member)
                except asyncio.CancelledError:  # somebody else's patience ended
                    self._next = (self._next + 1) % len(self._address.members)
                    raise
                except BackendError as error:
                    self._next = (self._next + 1) % len(self._address.members)
                    # What an operator must mend is said rather than that another one is down.
                    if refusal is None or isinstance(refusal, Unavailable):
                        refusal = error
                else:
                    return self._link
            assert refusal is not None
            raise refusal

    async def _connect(self, member: str) -> Link:
        if self._credentials is None:
            channel = grpc.aio.insecure_channel(member, _OPTIONS)
        else:
            channel = grpc.aio.secure_channel(member, self._credentials, _OPTIONS)
        link = Link(channel)
        try:
            await self._authenticate(link)
            self._inspect(await self._unary(link, STATUS, pb.StatusRequest(), link.metadata()))
        except grpc.aio.AioRpcError as error:
            await channel.close()
            told = self.translate(error)
            if not self._opened and isinstance(told, Unavailable):
                host, _, port = member.rpartition(":")
                spoken = await heard(host.strip("[]"), int(port))
                tls = self._credentials is not None
                sentence = stranger(spoken, "an etcd", "etcd", tls=tls)
                told = told if sentence is None else Rejected(sentence)
            raise told from error
        except BaseException:
            await channel.close()
            raise
        return link

    async def _authenticate(self, link: Link) -> None:
        if self._address.user:
            asked = pb.AuthenticateRequest(name=self._address.user, password=self._address.password)
            # Without a token: one that has expired is not let in even here. It is kept until there
            # is another, so that a call tells that it has expired, and this is tried again.
            link.token = (await self._unary(link, AUTHENTICATE, asked, [_LEADER])).token

    def _inspect(self, status: pb.StatusResponse) -> None:
        cluster = status.header.cluster_id
        if self._cluster and cluster != self._cluster:
            raise Unavailable("another etcd cluster answers than at the start: not used")
        if not cluster or not status.version:
            raise to_mend("what answers there is not an etcd", at_start=not self._opened)
        if _numbers(status.version) < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise to_mend(
                f"this etcd is {status.version}; Incumbent needs {oldest} or newer",
                at_start=not self._opened,
            )
        if status.is_learner:
            raise Unavailable("this member of etcd is a learner: name others in the URL")
        if not status.leader:
            raise Unavailable("etcd has no leader")
        self._cluster = cluster

    async def renew_token(self, link: Link, expired: str) -> None:
        """Authenticate again, unless somebody else has meanwhile."""
        async with self._linking:
            if link is self._link and link.token == expired:
                await self._authenticate(link)

    def _leave(self, link: Link | None) -> None:
        """Give a link up: the next call goes to the next member, or over a new connection."""
        if link is None or link is not self._link:
            return
        self._link = None
        self._next = (self._next + 1) % len(self._address.members)
        link.left.set()
        closing = asyncio.create_task(_close(link.channel))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """End all connections."""
        for task in list(self._closing):
            task.cancel()
        if self._closing:
            await asyncio.wait(self._closing)
        if self._link is not None:
            self._link.left.set()
            await self._link.channel.close()
            self._link = None


async def _close(channel: grpc.aio.Channel) -> None:
    """Let the calls on it end by themselves: each has a deadline."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(ANSWER + 1)
    await channel.close()


def _numbers(version: str) -> tuple[int, ...]:
    first = version.split("-", maxsplit=1)[0].split("+", maxsplit=1)[0]
    with suppress(ValueError):
        return tuple(map(int, first.split(".")))
    return ()
