"""The sessions in Consul behind one session of the seam: usually one, and longer ones for moves.

    main      its ttl is the backend ttl; its id is the session of the seam
    longer    one for each ttl of which a term came: opened at the first such move, and renewed
              along for as long as the main one lives

A term that comes from a session of a longer ttl goes onto one that is as long, so that no move
shortens what its client was promised. The record names the main session all the same.

Consul ends a silent session after its ttl × 2, in two steps: its leader condemns it, and the
sentence is carried out later. A renewal in between is answered as if nothing were. So a session is
gone on with only if it was renewed within its ttl, by our own clock: as long as it was promised.
One that is given up is left to end by itself, as a dead gateway's does: a move whose answer was
lost may land on it, with what another gateway has promised. Only who leaves destroys one.
"""

import asyncio
import logging
from collections.abc import Container
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from incumbent_backends.api import BackendError, Options, Rejected, Unavailable
from incumbent_backends.consul_errors import NO_CONSUL
from incumbent_backends.consul_http import Pool
from incumbent_backends.consul_space import CONSISTENT, Space

FACTOR = 2.0  # Consul's, of a ttl

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Lease:
    """A session in Consul."""

    id: str
    ttl: timedelta
    renewed: float  # when the call began that renewed it last
    moves: int = 0  # onto it that may still land: under way, or of an unknown outcome

    @property
    def promised_until(self) -> float:
        return self.renewed + self.ttl.total_seconds()


class Leases:
    """The main session, and the longer ones that belong to it."""

    def __init__(self, space: Space, options: Options) -> None:
        self._space = space
        self._agent = space.agent
        self._clock = options.clock
        self._ttl = options.backend_ttl
        self._receiving = asyncio.Lock()
        self.main = Lease("", options.backend_ttl, 0.0)
        self.longer: dict[timedelta, Lease] = {}

    @property
    def all(self) -> tuple[Lease, ...]:
        return (self.main, *self.longer.values())

    @property
    def ids(self) -> set[str]:
        return {lease.id for lease in self.all}

    def kept(self, session: str) -> Lease:
        """The session of this id, which is ours and still promised; else Unavailable."""
        for lease in self.all:
            if lease.id == session and self._clock.now() < lease.promised_until:
                return lease
        raise session_over()

    async def open(self) -> None:
        """Open a main session anew; what belonged to another is given up with it."""
        self.main, self.longer = await self._create(self._ttl, Pool.RENEWALS), {}

    async def renew(self) -> None:
        """Renew them all; open a new main session if it has died, or may have."""
        if not await self._renew(self.main, Pool.RENEWALS):
            await self._space.insist()
            over = self.main
            await self.open()
            _log.warning("the session %s in Consul is over; a new one is open", over.id)
            return
        for lease in list(self.longer.values()):
            if not await self._renew(lease, Pool.RENEWALS) and lease in self.all:
                del self.longer[lease.ttl]

    async def _renew(self, lease: Lease, pool: Pool) -> bool:
        """Whether it is renewed; False: it has died, or was silent for so long that it may have."""
        began = self._clock.now()
        if began >= lease.promised_until:
            return False
        answer = await self._agent.call(pool, "PUT", f"/v1/session/renew/{lease.id}")
        if answer.status == 404:
            return False
        if answer.status != 200 or _only(answer.json()).get("ID") != lease.id:
            raise self._agent.unfit(NO_CONSUL)
        if self._clock.now() >= lease.promised_until:
            return False
        lease.renewed = max(lease.renewed, began)
        return True

    async def receive(self, ttl: timedelta) -> Lease:
        """The session that a term of this ttl may move to, renewed since this call began.

        Unavailable: ours has died. Many moves at once share a renewal, and one longer session.
        They take no connection that belongs to the renewals.
        """
        asked = self._clock.now()
        async with self._receiving:
            main = self.main
            if not await self._renewed_since(asked, main):
                raise session_over()
            if ttl <= main.ttl:
                return main
            lease = self.longer.get(ttl)
            if lease is None or not await self._renewed_since(asked, lease):
                lease = await self._create(ttl, Pool.WORK)
                if self.main is not main:
                    await self._discard(lease)
                    raise session_over()
                self.longer[ttl] = lease
            return lease

    async def _renewed_since(self, asked: float, lease: Lease) -> bool:
        return lease.renewed > asked or await self._renew(lease, Pool.WORK)

    async def close(self, used: Container[str]) -> None:
        """End those on which no term hangs, and none can still come."""
        for lease in self.all:
            if lease.id and lease.id not in used and not lease.moves:
                await self._destroy(lease)

    async def _destroy(self, lease: Lease) -> None:
        await self._agent.call(Pool.WORK, "PUT", f"/v1/session/destroy/{lease.id}")

    async def _discard(self, lease: Lease) -> None:
        """End one that nobody has used. What cannot be reached ends by itself."""
        with suppress(BackendError):
            await self._destroy(lease)

    async def _create(self, ttl: timedelta, pool: Pool) -> Lease:
        """Open a session, and read back whether it is as it was asked for.

        One whose answer is lost, or whose caller is cancelled, holds nothing and ends by itself.
        """
        began = self._clock.now()
        wanted = {
            "Name": self._space.prefix.rstrip("/"),
            "TTL": _text(ttl),
            "LockDelay": "0s",
            "Behavior": "release",
            "NodeChecks": [],
            "ServiceChecks": [],
        }
        made = await self._agent.call(pool, "PUT", "/v1/session/create", {}, wanted)
        named = made.json() if made.status == 200 else None
        if not isinstance(named, dict) or not named.get("ID"):
            raise self._agent.unfit("Consul opens no session here")
        lease = Lease(str(named["ID"]), ttl, began)
        try:
            await self._verify(lease, pool)
        except BackendError:
            await self._discard(lease)
            raise
        return lease

    async def _verify(self, lease: Lease, pool: Pool) -> None:
        path = f"/v1/session/info/{lease.id}"
        found = (await self._agent.call(pool, "GET", path, CONSISTENT)).json()
        if not found:
            raise Unavailable("Consul does not show the session that it has just opened")
        wrong = _wrong(_only(found), lease.ttl)
        if wrong is not None:
            raise Rejected(f"Consul opened a session with {wrong}, which Incumbent cannot use")


def session_over() -> Unavailable:
    """Say that nothing can be won until the next renewal."""
    return Unavailable("this gateway's session in Consul has ended; the next renewal opens another")


def _text(ttl: timedelta) -> str:
    """A ttl as Consul is told it, and keeps it."""
    return f"{ttl / timedelta(milliseconds=1):.0f}ms"


def _only(found: Any) -> dict[str, Any]:
    """The one session of an answer; nothing where it is no such answer."""
    if isinstance(found, list) and len(found) == 1 and isinstance(found[0], dict):
        return found[0]
    return {}


def _wrong(session: dict[str, Any], ttl: timedelta) -> str | None:
    """What of a session's settings is not as it must be."""
    if session.get("TTL") != _text(ttl):
        return "another ttl"
    if session.get("LockDelay") != 0:
        return "a lock-delay"
    if session.get("Behavior") != "release":
        return "another behaviour than release"
    if session.get("NodeChecks") or session.get("ServiceChecks") or session.get("Checks"):
        return "health checks"
    return None
