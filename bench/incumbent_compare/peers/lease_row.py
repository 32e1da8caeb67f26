"""A lease row: who wrote it last leads, until `expires` by the clock of the database.

Its holder renews it every 10 s for 30 s, and who waits looks every 10 s.
"""

import asyncio
import secrets
from abc import abstractmethod

from incumbent_compare.contender import Contender, Opener, Peer

TTL = 30.0  # seconds
PACE = 10.0  # seconds
TABLE = "incumbent_compare_lease"


def peer(opener: Opener) -> Peer:
    """This way on the database that it opens."""
    return Peer(
        f"lease row, {TTL:g} s, renewed and polled every {PACE:g} s",
        opener,
        polls=PACE,
        expires=TTL + PACE,
        renews="one transaction",
    )


class LeaseRow(Contender):
    """What is the same on every database."""

    def __init__(self) -> None:
        self._me = secrets.token_hex(8)
        self._renewals: dict[str, asyncio.Task[None]] = {}

    @abstractmethod
    async def hold(self, election: str) -> bool:
        """Take the row, or renew it, unless another one's lease runs: one statement."""

    @abstractmethod
    async def free(self, election: str) -> None:
        """Delete the row, if it is ours: one statement."""

    async def campaign(self, election: str) -> None:
        while not await self.hold(election):
            await asyncio.sleep(PACE)
        self._renewals[election] = asyncio.create_task(self._go_on(election))

    async def _go_on(self, election: str) -> None:
        await asyncio.sleep(PACE)
        while await self.hold(election):
            await asyncio.sleep(PACE)

    async def resign(self, election: str) -> None:
        renewal = self._renewals.pop(election)
        renewal.cancel()
        await asyncio.gather(renewal, return_exceptions=True)
        await self.free(election)

    async def renew(self, election: str) -> None:
        if not await self.hold(election):
            raise RuntimeError(f"the lease of {election} was lost")

    async def stop(self) -> None:
        """Renew nothing any more."""
        for renewal in self._renewals.values():
            renewal.cancel()
        await asyncio.gather(*self._renewals.values(), return_exceptions=True)
