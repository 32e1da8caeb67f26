"""A Consul, whose raft log says what was written."""

import re
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from incumbent_backends.api import BackendError
from incumbent_backends.consul_url import parse_url
from incumbent_compare.contender import Peer
from incumbent_compare.peers import consul as peers
from incumbent_compare.targets.target import Count, Target, Unreachable
from incumbent_compare.usage import server_at

_BYTES = re.compile(
    r"^consul_raft_(?:wal_log_entry_bytes_written|boltdb_logSize_sum) (\S+)$", re.MULTILINE
)
_REQUESTS = re.compile(
    r'^consul_api_http_count\{method="[A-Z]+",path="(?!v1_agent)[^"]*"\} (\S+)$', re.MULTILINE
)
_WATCHES = re.compile(r"^consul_rpc_queries_blocking (\S+)$", re.MULTILINE)


class ConsulTarget(Target):
    """Bytes and requests are known where prometheus_retention_time has it keep metrics."""

    name = "consul"
    counts = "entries of the raft log, Consul's own included; requests: answered over HTTP"

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(url, folder)
        ttl, at_most = peers.TTL, 2 * peers.TTL
        self.peers = (
            Peer(
                f"session lock, ttl {ttl} s, lock-delay 0",
                partial(peers.lock, url, lock_delay="0s"),
                expires=at_most,
                renews="one renewal of the session",
            ),
            Peer(
                f"session lock, ttl {ttl} s, lock-delay 15 s as Consul has it",
                partial(peers.lock, url),
                expires=at_most + 15 + peers.RETRY,
                elects=False,
            ),
        )

    @classmethod
    def check(cls, url: str) -> str:
        parse_url(url)
        return url

    async def prepare(self) -> str:
        try:
            address = urlsplit(parse_url(self.url).base)
            told = await self._self()
        except (aiohttp.ClientError, TimeoutError, BackendError) as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        self._pid = server_at(address.hostname or "", address.port or 0, "consul")
        return str(told["Config"]["Version"])

    async def count(self) -> Count:
        index = float((await self._self())["Stats"]["raft"]["last_log_index"])
        metrics = await self._metrics()
        asked = sum(map(float, _REQUESTS.findall(metrics))) if metrics else None
        return Count(index, asked, _one(_BYTES, metrics))

    async def watches(self) -> float | None:
        return _one(_WATCHES, await self._metrics())

    async def _self(self) -> dict[str, dict[str, dict[str, str]]]:
        async with peers.client(self.url) as client, client.get("/v1/agent/self") as answer:
            answer.raise_for_status()
            told: dict[str, dict[str, dict[str, str]]] = await answer.json()
            return told

    async def _metrics(self) -> str:
        path = "/v1/agent/metrics?format=prometheus"
        async with peers.client(self.url) as client, client.get(path) as answer:
            return await answer.text() if answer.status == 200 else ""

    async def forget(self, namespace: str) -> None:
        await self._delete(f"incumbent/{namespace}/")

    async def close(self) -> None:
        await self._delete(peers.PREFIX)

    async def _delete(self, prefix: str) -> None:
        async with (
            peers.client(self.url) as client,
            client.delete(f"/v1/kv/{prefix}", params={"recurse": ""}) as answer,
        ):
            await answer.read()


def _one(pattern: re.Pattern[str], text: str) -> float | None:
    found = pattern.search(text)
    return None if found is None else float(found[1])
