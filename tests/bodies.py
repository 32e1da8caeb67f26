"""What the tests of asyncio bodies share: clients, ends from outside, waits for queues."""

import asyncio

from incumbent import AsyncClient, AsyncTerm, Client

LONG = 60.0  # seconds that no test lasts


class OwnError(Exception):
    """What a body raises by itself."""


def is_free() -> bool:
    """Whether nothing is left of any cancellation of this task."""
    task = asyncio.current_task()
    return task is not None and not task.cancelling()


class Ends:
    """Ends terms from outside, by a client of its own."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._ending: set[asyncio.Task[object]] = set()

    def soon(self, term: AsyncTerm) -> None:
        """Have it end while the caller goes on."""
        ending = asyncio.create_task(self._client.resign(term.election, term.credential))
        self._ending.add(ending)

    async def over(self) -> None:
        """Wait until all that were to end have, or were over by then."""
        await asyncio.gather(*self._ending, return_exceptions=True)


async def is_vacant(client: AsyncClient, election: str) -> bool:
    return await client.leader(election) is None


async def until_waiting(client: AsyncClient, election: str, number: int) -> None:
    """Wait until so many candidates wait on the gateway that answers."""
    folder = election.rpartition("/")[0] + "/"
    async with asyncio.timeout(10):
        while await _waiting(client, folder, election) != number:
            await asyncio.sleep(0.01)


async def _waiting(client: AsyncClient, folder: str, election: str) -> int:
    found = [each async for each in client.elections(folder) if each.election == election]
    return found[0].waiting if found else 0


def waiting(client: Client, election: str) -> int:
    """How many candidates wait on the gateway that answers."""
    folder = election.rpartition("/")[0] + "/"
    found = [each for each in client.elections(folder) if each.election == election]
    return found[0].waiting if found else 0
