"""The sessions in Consul behind one session of the seam: usually one, and longer ones for moves.

A term that comes from a session of a longer ttl goes onto one that is as long, so that no move
shortens what its client was promised. The record names the main session all the same.

Consul ends a silent session after its ttl × 2, in two steps: its leader condemns it, and the
sentence is carried out later. A renewal in between is answered as if nothing were. So a session is
gone on with only if it was renewed within its ttl, by our own clock: as long as it was promised.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from incumbent_backends.api import BackendError, Options, Rejected, Unavailable
from incumbent_backends.consul_http import Pool
from incumbent_backends.consul_space import CONSISTENT, Space

FACTOR = 2.0  # Consul's, of a ttl

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Lease:
    """A session in Consul."""

    id: str
    ttl: timedelta
    renewed: float  # when the call began that renewed it last

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
        self.main = Lease("", options.backend_ttl, 0.0)
        self.longer: list[Lease] = []
        self._moving = 0  # terms on their way onto one of the longer sessions

    @property
    def ids(self) -> set[str]:
        return {lease.id for lease in (self.main, *self.longer)}

    async def open(self) -> None:
        """Open a main session anew. The longer ones of another are left to end by themselves.

        They may carry what other gateways have promised.
        """
        self.main, self.longer = await self._create(self._ttl), []

    async def renew(self) -> None:
        """Renew them all; open a new main session if it has died, or may have."""
        if not await self._renewed(self.main):
            await self._space.insist()
            over = self.main
            await self.open()
            _log.warning("the session %s in Consul is over; a new one is open", over.id)
            return
        for lease in list(self.longer):
            if not await self._renewed(lease) and lease in self.longer:
                self.longer.remove(lease)

    async def _renewed(self, lease: Lease) -> bool:
        began = self._clock.now()
        if began >= lease.promised_until:
            return False  # left to end by itself, as a dead gateway's does
        answer = await self._agent.call(Pool.RENEWALS, "PUT", f"/v1/session/renew/{lease.id}")
        if answer.status == 404:
            return False
        if self._clock.now() >= lease.promised_until:
            await self.destroy(lease)  # or it would go on for two more ttls
            return False
        lease.renewed = max(lease.renewed, began)
        return True

    async def receive(self, ttl: timedelta) -> Lease:
        """Renew the session that a term of this ttl may move to. Unavailable: ours has died."""
        main = self.main
        if not await self._renewed(main):
            raise session_over()
        if ttl <= main.ttl:
            return main
        for lease in list(self.longer):
            if lease.ttl >= ttl and await self._renewed(lease):
                return lease
        lease = await self._create(ttl)
        if self.main is not main:
            raise session_over()
        self.longer.append(lease)
        return lease

    async def close(self, used: Mapping[str, int] | set[str]) -> None:
        """End those on which no term hangs."""
        for lease in (*self.longer, self.main):
            if lease.id and lease.id not in used:
                await self.destroy(lease)

    async def drop_unused(self, used: set[str]) -> None:
        """End the longer sessions on which nothing hangs, unless something may be on its way."""
        if self._moving:
            return
        unused = [lease for lease in self.longer if lease.id not in used]
        self.longer = [lease for lease in self.longer if lease.id in used]
        for lease in unused:
            with suppress(BackendError):
                await self.destroy(lease)

    def __enter__(self) -> None:
        """A term is on its way."""
        self._moving += 1

    def __exit__(self, *exc: object) -> None:
        self._moving -= 1

    async def destroy(self, lease: Lease) -> None:
        await self._agent.call(Pool.RENEWALS, "PUT", f"/v1/session/destroy/{lease.id}")

    async def _create(self, ttl: timedelta) -> Lease:
        """Open a session, and read back whether it is as it was asked for."""
        began = self._clock.now()
        wanted = {
            "Name": self._space.prefix.rstrip("/"),
            "TTL": f"{ttl / timedelta(milliseconds=1):.0f}ms",
            "LockDelay": "0s",
            "Behavior": "release",
            "NodeChecks": [],
            "ServiceChecks": [],
        }
        made = await self._agent.call(Pool.RENEWALS, "PUT", "/v1/session/create", {}, wanted)
        if made.status != 200:
            raise self._agent.unfit("Consul opens no session here")
        lease = Lease(str(made.json()["ID"]), ttl, began)
        await self._verify(lease)
        return lease

    async def _verify(self, lease: Lease) -> None:
        path = f"/v1/session/info/{lease.id}"
        found = (await self._agent.call(Pool.RENEWALS, "GET", path, CONSISTENT)).json()
        if not found:
            raise Unavailable("Consul does not show the session that it has just opened")
        wrong = _wrong(found[0])
        if wrong is not None:
            with suppress(BackendError):
                await self.destroy(lease)
            raise Rejected(f"Consul opened a session with {wrong}, which Incumbent cannot use")


def session_over() -> Unavailable:
    """Say that nothing can be won until the next renewal."""
    return Unavailable("this gateway's session in Consul has ended; the next renewal opens another")


def _wrong(session: dict[str, Any]) -> str | None:
    """What of a session's settings is not as it must be."""
    if session.get("LockDelay") != 0:
        return "a lock-delay"
    if session.get("Behavior") != "release":
        return "another behaviour than release"
    if session.get("NodeChecks") or session.get("ServiceChecks") or session.get("Checks"):
        return "health checks"
    return None
