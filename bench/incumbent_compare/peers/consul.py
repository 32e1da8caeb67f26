"""Consul without a gateway: its session lock, as Consul's guide and its Go client have it."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from incumbent_backends.consul_url import parse_url
from incumbent_compare.contender import Contender, beside

TTL = 10  # seconds of the session, the least that Consul allows; it may live twice as long
RETRY = 5.0  # seconds after a lock-delay was met, as of Consul's Go client
WAIT = "30s"
PREFIX = "incumbent-compare/"


class SessionLock(Contender):
    """Its client has one session, for all that it leads."""

    def __init__(self, http: aiohttp.ClientSession, session: str) -> None:
        self._http, self._session = http, session

    async def campaign(self, election: str) -> None:
        while not await self._ask(election, "acquire"):
            if await self._freed(election):
                continue
            await asyncio.sleep(RETRY)

    async def resign(self, election: str) -> None:
        if not await self._ask(election, "release"):
            raise RuntimeError(f"the lock of {election} was lost")

    async def renew(self, election: str) -> None:
        async with self._http.put(f"/v1/session/renew/{self._session}") as answer:
            await answer.read()
            answer.raise_for_status()

    async def keep(self) -> None:
        """Keep the session until cancelled."""
        while True:
            await asyncio.sleep(TTL / 2)
            await self.renew("")

    async def _ask(self, election: str, what: str) -> bool:
        async with self._http.put(_key(election), params={what: self._session}) as answer:
            answer.raise_for_status()
            return bool(await answer.json())

    async def _freed(self, election: str) -> bool:
        """Wait until nobody holds it. False: nobody did, so a lock-delay was met."""
        index, waited = "0", False
        while True:
            async with self._http.get(
                _key(election), params={"index": index, "wait": WAIT}
            ) as answer:
                index = answer.headers["X-Consul-Index"]
                pairs = await answer.json() if answer.status == 200 else []
            if not pairs or not pairs[0].get("Session"):
                return waited
            waited = True


def _key(election: str) -> str:
    return f"/v1/kv/{PREFIX}{election}"


def client(url: str) -> aiohttp.ClientSession:
    """A client of the Consul of a gateway's URL."""
    address = parse_url(url, os.environ)
    tls = address.tls()
    connector = aiohttp.TCPConnector(ssl=True if tls is None else tls, limit=0)
    headers = {"X-Consul-Token": address.token} if address.token else {}
    return aiohttp.ClientSession(
        address.base, connector=connector, headers=headers, timeout=aiohttp.ClientTimeout(60)
    )


@asynccontextmanager
async def lock(url: str, *, lock_delay: str = "") -> AsyncIterator[Contender]:
    """Without a lock-delay of one's own it is Consul's, 15 s."""
    settings = {"TTL": f"{TTL}s"} | ({"LockDelay": lock_delay} if lock_delay else {})
    async with client(url) as http:
        async with http.put("/v1/session/create", json=settings) as answer:
            answer.raise_for_status()
            session = str((await answer.json())["ID"])
        contender = SessionLock(http, session)
        try:
            async with beside(contender.keep()):
                yield contender
        finally:
            async with http.put(f"/v1/session/destroy/{session}") as answer:
                await answer.read()
