"""The gateway's one session in the store: renewed every third of its ttl, judged by the clock.

The session's standing, not any call's outcome, decides what a client may believe (session.py).
"""

import asyncio
import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from incumbent_backends.api import Backend, Claim, Rejected
from incumbent_server.clock import World, first_of
from incumbent_server.retry import Retry
from incumbent_server.session import Session, Standing
from incumbent_server.store import Store, Witness

SOONEST = 0.25  # seconds between two renewals, at least
UNBORN = Session("", -math.inf, 1.0)  # before the first renewal nothing is promised


class Host(Protocol):
    """Who hangs terms on the session."""

    def claims(self) -> Iterable[Claim]:
        """List what the session must keep."""

    def renewed(self, asked: frozenset[int], survivors: frozenset[int], session: str) -> None:
        """Take in a renewal: of the tokens asked to be kept, the survivors live on."""

    def reborn(self) -> None:
        """A session of another name has replaced the one before."""

    def stood(self, standing: Standing) -> None:
        """Act on a standing that has just changed."""


class Keeper:
    """Keeps the session of an opened backend. `session` is what is known of it."""

    def __init__(
        self, backend: Backend, store: Store, ttl: float, world: World, witness: Witness, host: Host
    ) -> None:
        self.session = UNBORN
        self.standing = Standing.LOST
        self.hope = asyncio.Event()  # unset while the session is lost: nothing is asked
        self._backend = backend
        self._store = store
        self._ttl = ttl
        self._world = world
        self._witness = witness
        self._host = host
        self._doubted = asyncio.Event()

    async def run(self) -> None:
        """Renew for ever."""
        retry = Retry(self._world)
        while True:
            began = self._world.now()
            self._doubted.clear()
            await retry.anything(self._renew)
            await self._world.sleep(
                max(0.0, began + min(SOONEST, self._ttl / 3) - self._world.now())
            )
            rest = max(0.0, began + self._ttl / 3 - self._world.now())
            await first_of(self._doubted.wait(), self._world.sleep(rest))

    def doubt(self) -> None:
        """Renew soon: what was asked of the store failed, perhaps because the session is dead."""
        self._doubted.set()

    async def _renew(self) -> None:
        keep = list(self._host.claims())
        asked = frozenset(claim.token for claim in keep if claim.token is not None)
        try:
            renewal = await self._store.renew(keep)
        except Rejected:
            self.session = replace(self.session, refused=True)
            self.check()
            raise
        former, name = self.session.name, self._backend.session
        self.session = Session(name, renewal.good_until, self._ttl)
        survivors = frozenset(c.token for c in renewal.survivors if c.token is not None)
        self._host.renewed(asked, survivors, name)
        if name != former:
            self._host.reborn()
        self.check()

    def check(self) -> None:
        """Judge the session by the clock, and tell as soon as its standing has changed."""
        standing = self.session.standing(self._world.now())
        if standing is self.standing:
            return
        self.standing = standing
        if standing is Standing.LOST:
            self.hope.clear()
        else:
            self.hope.set()
        self._witness.standing(standing)
        self._host.stood(standing)
