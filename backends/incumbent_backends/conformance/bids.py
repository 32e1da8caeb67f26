"""Short words for the suite: people who bid, bids, wins, and awaited events of a watch."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256

from incumbent_backends.api import Backend, Claim, Snapshot, Synced, Term

PATIENCE = 10.0  # seconds until an awaited event counts as missing; nothing is ever slept
ELECTION = "team/job"


def holder(name: str) -> str:
    """The holder that a client of this name has: the hash of its credential."""
    return sha256(name.encode()).hexdigest()


ANN, BOB = holder("ann"), holder("bob")


async def bid(
    backend: Backend,
    election: str = ELECTION,
    *,
    by: str = ANN,
    attempt: int = 1,
    value: bytes | None = None,
    resume: int | None = None,
) -> Snapshot:
    """Acquire under a candidate name that shows who bid where."""
    return await backend.acquire(
        election,
        holder=by,
        attempt=attempt,
        candidate=f"{by[:6]} on {backend.session}",
        value=value,
        resume=resume,
    )


async def win(backend: Backend, election: str = ELECTION, *, by: str = ANN) -> Term:
    """Acquire and insist on having won."""
    return won(backend, await bid(backend, election, by=by), by=by)


def won(backend: Backend, snapshot: Snapshot, *, by: str = ANN) -> Term:
    """The term of a snapshot, which must be this holder's on this backend's session."""
    term = snapshot.term
    assert term is not None, f"{snapshot.election} is vacant after the bid"
    assert (term.holder, term.session) == (by, backend.session)
    assert term.election == snapshot.election
    return term


def claim(term: Term) -> Claim:
    """What `renew` is told to keep a term."""
    return Claim(term.election, term.token)


class Watching:
    """A watch with a memory and a deadline."""

    def __init__(self, backend: Backend) -> None:
        self._items = backend.watch()
        self.told: list[Snapshot] = []

    async def next(self) -> Snapshot | Synced:
        async with asyncio.timeout(PATIENCE):
            return await anext(self._items)

    async def synced(self) -> dict[str, Term]:
        """Read the first whole state."""
        state: dict[str, Term] = {}
        while not isinstance(item := await self.next(), Synced):
            assert item.term is not None, "a vacancy is no part of the first state"
            assert item.election not in state, "told twice before Synced"
            state[item.election] = item.term
        return state

    async def until(self, election: str, wanted: Callable[[Term | None], bool]) -> Snapshot:
        """Read changes up to the one that is wanted of this election."""
        while True:
            item = await self.next()
            assert isinstance(item, Snapshot), "Synced comes once"
            self.told.append(item)
            if item.election == election and wanted(item.term):
                return item

    async def vacant(self, election: str = ELECTION) -> Snapshot:
        return await self.until(election, lambda term: term is None)

    async def close(self) -> None:
        await self._items.aclose()


@asynccontextmanager
async def watching(backend: Backend) -> AsyncIterator[Watching]:
    """Watch and close in the end, whatever happened."""
    watch = Watching(backend)
    try:
        yield watch
    finally:
        await watch.close()
