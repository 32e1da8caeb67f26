"""etcd: terms are keys that hang on one lease a gateway, in a cluster of any size.

    renew            ──► one stream of keepalives ──►┐
    acquire, …       ──► transactions ──────────────►├── the member in use; the next if it fails
    watch ◄──────────────one stream of changes ◄─────┘

etcd itself ends a lease that nobody keeps alive, with all keys that hang on it: its clock counts
how long. The token is the revision at which a term's key was created. See etcd_terms.py.
"""

from collections.abc import AsyncGenerator, Collection
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Self

from incumbent_backends import etcd_pb2 as pb
from incumbent_backends.api import (
    BackendError,
    Claim,
    Expiry,
    Limits,
    Options,
    Rejected,
    Renewal,
    Snapshot,
    Synced,
    Term,
    Unavailable,
)
from incumbent_backends.bids import Bid
from incumbent_backends.etcd_client import TXN, Client
from incumbent_backends.etcd_leases import Leases
from incumbent_backends.etcd_session import LeaseSession
from incumbent_backends.etcd_terms import MARKER, Space, is_vacant, look
from incumbent_backends.etcd_url import parse_url
from incumbent_backends.etcd_watch import EtcdWatch

SECOND = timedelta(seconds=1)

LIMITS = Limits(
    kind="etcd",
    expiry=Expiry.LEASE,
    min_backend_ttl=2 * SECOND,
    max_backend_ttl=timedelta(hours=1),
    expiry_factor=1.0,
    expiry_slack=timedelta(milliseconds=1000),
    moves_terms=True,
    survives_gateway=True,
    survives_restart=True,
    notes=(
        "A change of etcd's leader lets every lease begin its ttl anew.",
        "etcd grants whole seconds, and no less than one and a half of its election timeouts.",
        "Restoring a snapshot takes tokens back.",
    ),
)


class Etcd:
    """An etcd cluster as a Backend. URL: etcd://host:2379,host:2379, or etcds:// with TLS."""

    def __init__(self, url: str, options: Options) -> None:
        self._options = options
        self._ttl = -(-options.backend_ttl // SECOND)  # whole seconds
        self._limits = LIMITS
        # The core gives a call a third of the ttl: half of that, and another member has its turn.
        patience = max(0.3, options.backend_ttl.total_seconds() / 6)
        self._client = Client(parse_url(url), patience)
        self._space = Space(options.namespace)
        self._leases = Leases(self._client, options.clock, self._ttl)
        self._session = LeaseSession(self._client, self._space, self._leases)
        self._closed = False

    @property
    def limits(self) -> Limits:
        return self._limits

    @property
    def session(self) -> str:
        return self._leases.session

    async def __aenter__(self) -> Self:
        try:
            self._client.load()
            await self._enter_namespace()
            await self._leases.open()
        except BaseException:
            await self._client.close()
            raise
        self._limits = _effective(self._options.backend_ttl, self._leases)
        self._client.opened()
        return self

    async def _enter_namespace(self) -> None:
        marker = self._space.marker
        enter = pb.TxnRequest(
            compare=[is_vacant(marker)],
            success=[pb.RequestOp(request_put=pb.PutRequest(key=marker, value=MARKER))],
            failure=[look(marker)],
        )
        answer = await self._client.call(TXN, enter)
        if answer.succeeded:
            return
        (kv,) = answer.responses[0].response_range.kvs
        if kv.value != MARKER:
            raise Rejected(
                f"namespace {self._options.namespace!r} belongs to"
                f" {kv.value[:80].decode(errors='replace')!r}, this gateway to"
                f" {MARKER.decode()!r}: choose another namespace"
            )

    async def __aexit__(self, *exc: object) -> None:
        self._closed = True
        try:
            with suppress(BackendError):  # not reached: etcd ends the session after its ttl
                if not await self._session.hanging():
                    await self._leases.end()
        finally:
            self._leases.close()
            await self._client.close()

    async def renew(self, keep: Collection[Claim]) -> Renewal:
        return await self._session.renew(keep)

    async def acquire(
        self,
        election: str,
        *,
        holder: str,
        attempt: int,
        candidate: str,
        value: bytes | None,
        resume: int | None = None,
    ) -> Snapshot:
        return await self._session.acquire(Bid(election, holder, attempt, candidate, value, resume))

    async def release(self, term: Term) -> None:
        await self._session.release(term)

    async def read(self, election: str) -> Snapshot:
        return await self._session.read(election)

    async def watch(self) -> AsyncGenerator[Snapshot | Synced, None]:
        if self._closed:
            raise Unavailable("this gateway has closed its store")
        items = EtcdWatch(self._client, self._space).items()
        try:
            async for item in items:
                yield item
        finally:
            await items.aclose()


def _effective(asked: timedelta, leases: Leases) -> Limits:
    """What holds now that a lease was granted: etcd may have granted more than was asked for."""
    granted = leases.granted[leases.first] * SECOND
    if granted == asked:
        return LIMITS
    least = granted if granted > leases.asked * SECOND else LIMITS.min_backend_ttl
    return replace(LIMITS, min_backend_ttl=least, granted_ttl=granted)
