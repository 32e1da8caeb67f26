"""Consul: keys locked by sessions, for gateways on any number of hosts.

    renew           ──► connections of its own ──►┐
    acquire, …      ──► up to 16 connections ────►├── an agent ──► the servers' leader
    watch ◄─────────────connections of its own ◄──┘   a blocking query, and a look each second

A gateway has one session in Consul, with no health check and no lock-delay, and renews it. A term
is a key under that session's lock. One transaction decides who wins; its raft index is the token.
See consul_entry.py and docs/adr/0032 to 0034.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import suppress
from datetime import timedelta
from typing import Self

from incumbent_backends.api import (
    BackendError,
    Claim,
    Expiry,
    Limits,
    Options,
    Renewal,
    Snapshot,
    Synced,
    Term,
)
from incumbent_backends.bids import Bid
from incumbent_backends.consul_http import ANSWER, Agent
from incumbent_backends.consul_leases import FACTOR
from incumbent_backends.consul_session import ConsulSession
from incumbent_backends.consul_space import Space
from incumbent_backends.consul_url import TTL_MIN, parse_url
from incumbent_backends.consul_watch import ConsulWatch

NOTES = (
    "Consul keeps a silent gateway's session for two backend ttls; anew if its leader changes.",
    "A client that falls silent is replaced after its own ttl, whatever Consul's smallest one is.",
    "Terms live in the session's datacenter; sessions end when the agent's node leaves Consul.",
    "Restoring a snapshot takes tokens back.",
)


class Consul:
    """Sessions and locked keys of a Consul as a Backend. URL: consul://:token@host:8500."""

    def __init__(self, url: str, options: Options) -> None:
        address = parse_url(url)
        self._ttl_min = address.session_ttl_min
        self._agent = Agent(address)
        self._space = Space(self._agent, options.namespace)
        self._watch = ConsulWatch(self._space)
        self._session = ConsulSession(self._space, options, self._watch.picture)

    @property
    def limits(self) -> Limits:
        lowered = self._ttl_min != TTL_MIN
        said = "The URL says that this Consul's session_ttl_min is another than the usual 10 s."
        return Limits(
            kind="consul",
            expiry=Expiry.LEASE,
            min_backend_ttl=self._ttl_min,
            max_backend_ttl=timedelta(hours=24),
            expiry_factor=FACTOR,
            expiry_slack=timedelta(milliseconds=500),
            moves_terms=True,
            survives_gateway=True,
            survives_restart=True,
            notes=(*NOTES, said) if lowered else NOTES,
        )

    @property
    def session(self) -> str:
        return self._session.id

    async def __aenter__(self) -> Self:
        try:
            await self._agent.open()
            await self._space.enter()
            await self._session.leases.open()
            await self._session.renew([])  # which needs the rights that a start should prove
        except BaseException:
            await self._leave()
            raise
        self._agent.opened()
        self._watch.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        try:
            await self._watch.close()
        finally:
            await self._leave()

    async def _leave(self) -> None:
        try:
            if self._session.id:
                with suppress(BackendError, TimeoutError):  # not reached: it ends by its ttl
                    async with asyncio.timeout(ANSWER):
                        await self._session.close()
        finally:
            await self._agent.close()

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
        bid = Bid(election, holder, attempt, candidate, value, resume)
        after = await self._session.acquire(bid)
        self._watch.answered(after)
        return after

    async def release(self, term: Term) -> None:
        await self._session.release(term)

    async def read(self, election: str) -> Snapshot:
        return await self._session.read(election)

    def watch(self) -> AsyncGenerator[Snapshot | Synced, None]:
        return self._watch.watch()
