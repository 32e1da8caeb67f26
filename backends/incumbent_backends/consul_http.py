"""Calls to one Consul agent over its HTTP API: pools, deadlines, and what is tried again.

Renewals and the blocking query have connections of their own: a crowd of bids delays neither.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from incumbent_backends.api import BackendError, Unavailable
from incumbent_backends.consul_errors import passing, refused, to_mend, unreachable
from incumbent_backends.consul_url import Address
from incumbent_backends.who_answers import heard, stranger

ANSWER = 5.0  # seconds in which a call is answered, tries included, or given up
_CONNECT = 3.0
_FIRST, _LONGEST = 0.03, 0.5  # seconds between two tries


class Pool(Enum):
    """Whose connections a call takes; the value is how many there are. Consul allows 200 in all."""

    RENEWALS = ("renewals", 4)
    WORK = ("work", 16)
    WATCH = ("watch", 1)  # looks
    QUERY = ("query", 1)  # the blocking query


class Answer(NamedTuple):
    """What Consul said: status 200, 404 or 409."""

    status: int
    at: int  # X-Consul-Index; 0 where the endpoint has none
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Unavailable("Consul's answer cannot be read") from None


async def _once_only(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a PUT again when its connection breaks: it may have been done.

    aiohttp takes every PUT for one that may be repeated. Of a transaction that was done, the second
    one tells a conflict, as if nothing had been; a first one that lands late would come after the
    caller was told so.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if request.method != "PUT" or isinstance(error, aiohttp.ClientConnectorError):
            raise
        raise unreachable(error, at_start=False) from error


class Agent:
    """One Consul agent. Nothing is retried that may have been done."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._clients: dict[Pool, aiohttp.ClientSession] = {}
        self._opened = False
        self._tls: ssl.SSLContext | None = None
        self._headers = {} if address.token is None else {"X-Consul-Token": address.token}
        self._parameters = {} if address.datacenter is None else {"dc": address.datacenter}

    @property
    def at_start(self) -> bool:
        return not self._opened

    def opened(self) -> None:
        """From now on errors are those of a running gateway."""
        self._opened = True

    async def open(self) -> None:
        """Make the pools. Rejected: a certificate file cannot be read."""
        self._tls = await asyncio.to_thread(self._address.tls)
        for pool in Pool:
            self._clients[pool] = self._client(pool)

    def _client(self, pool: Pool) -> aiohttp.ClientSession:
        tls: ssl.SSLContext | bool = True if self._tls is None else self._tls
        return aiohttp.ClientSession(
            self._address.base,
            connector=aiohttp.TCPConnector(limit=pool.value[1], ssl=tls),
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_once_only,),
            trust_env=False,
        )

    async def cut(self, pool: Pool) -> None:
        """End a pool's connections, and the calls on them; it makes others when it needs them.

        A call that is merely cancelled leaves its connection to a farewell of TLS, which Consul
        gives when it has answered: after a blocking query's whole time. So long, too, Consul counts
        a connection that is gone.
        """
        if pool in self._clients:
            cut, self._clients[pool] = self._clients[pool], self._client(pool)
            await cut.close()

    async def close(self) -> None:
        """End every connection."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.close()
        await asyncio.sleep(0)  # the transports close at the loop's next turn

    async def call(
        self,
        pool: Pool,
        method: str,
        path: str,
        parameters: Mapping[str, str] = {},
        body: object = None,
        *,
        seconds: float = ANSWER,
    ) -> Answer:
        """Ask, again while Consul is busy or has no leader, until the time is up: Unavailable."""
        trouble, pause = "Consul did not answer in time", _FIRST
        try:
            async with asyncio.timeout(seconds):
                while True:
                    answer = await self._once(pool, method, path, parameters, body)
                    if isinstance(answer, Answer):
                        return answer
                    trouble = answer
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST)
        except TimeoutError as error:
            raise Unavailable(trouble) from error

    async def _once(
        self, pool: Pool, method: str, path: str, parameters: Mapping[str, str], body: object
    ) -> Answer | str:
        client = self._clients.get(pool)
        if client is None:
            raise Unavailable("this gateway has closed its store")
        try:
            async with client.request(
                method,
                path,
                params={**self._parameters, **parameters},
                data=None if body is None else json.dumps(body).encode(),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT),
            ) as response:
                status, content = response.status, await response.read()
                index = response.headers.get("X-Consul-Index", "")
        except TimeoutError:
            raise  # the deadline's, or nobody let us connect
        except aiohttp.ClientResponseError as error:
            said = unreachable(error, at_start=self.at_start)
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(error, at_start=self.at_start) from error
        else:
            return self._read(status, index, content)
        raise said  # here, without its cause, which knows the request's headers: the ACL token

    def _read(self, status: int, index: str, content: bytes) -> Answer | str:
        text = "" if status == 200 else content[:2000].decode(errors="replace")
        trouble = passing(status, text)
        if trouble is not None:
            return trouble
        refusal = refused(status, text, at_start=self.at_start)
        if refusal is not None:
            raise refusal
        return Answer(status, int(index) if index.isdecimal() else 0, content)

    async def stranger(self) -> str | None:
        """Say what answers there, if that is known not to be a Consul as the URL has it."""
        place = urlsplit(self._address.base)
        assert place.hostname is not None
        assert place.port is not None
        spoken = await heard(place.hostname, place.port)
        return stranger(spoken, "a Consul", "consul", tls=self._address.has_tls)

    def unfit(self, sentence: str) -> BackendError:
        """What only an operator can mend."""
        return to_mend(sentence, at_start=self.at_start)
