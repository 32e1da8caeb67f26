"""An etcd, whose own metrics count what it does."""

import re
import ssl
from functools import partial
from pathlib import Path

import aiohttp
import grpc

from incumbent_backends import etcd_pb2 as pb
from incumbent_backends.api import BackendError
from incumbent_backends.etcd_url import parse_url
from incumbent_compare.contender import Peer
from incumbent_compare.peers import etcd as peers
from incumbent_compare.targets.target import Count, Target, Unreachable
from incumbent_compare.usage import server_at

_SAMPLE = re.compile(r"^(\w+)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
_REQUESTS = "grpc_server_msg_received_total"
_WRITES = "etcd_server_proposals_applied_total"
_BYTES = "etcd_disk_wal_write_bytes_total"
_WATCHES = "etcd_debugging_mvcc_watcher_total"


class EtcdTarget(Target):
    """Of several members the first one is asked."""

    name = "etcd"
    counts = "raft proposals applied; requests: gRPC messages received"

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(url, folder)
        self.peers = (
            Peer(
                f"etcd's Election service, lease {peers.TTL} s",
                partial(peers.election, url),
                expires=2 * peers.TTL,
                renews="one keepalive of the lease",
            ),
        )

    @classmethod
    def check(cls, url: str) -> str:
        parse_url(url)
        return url

    async def prepare(self) -> str:
        try:
            async with peers.connected(self.url) as (channel, metadata):
                status = await peers.call(
                    channel, "Maintenance/Status", pb.StatusRequest(), pb.StatusResponse, metadata
                )
        except grpc.aio.AioRpcError as error:
            raise Unreachable(str(error.details())) from error
        except BackendError as error:
            raise Unreachable(str(error)) from error
        host, _, port = parse_url(self.url).members[0].rpartition(":")
        self._pid = server_at(host, int(port), "etcd")
        return str(status.version)

    async def count(self) -> Count:
        said = await self._metrics()
        return Count(said[_WRITES], said.get(_REQUESTS), said.get(_BYTES))

    async def watches(self) -> float | None:
        return (await self._metrics()).get(_WATCHES)

    async def _metrics(self) -> dict[str, float]:
        """Read the metrics, those of one name added up."""
        address = parse_url(self.url)
        scheme, tls = ("http", None) if address.files is None else ("https", _tls(address.files))
        found: dict[str, float] = {}
        connector = aiohttp.TCPConnector(ssl=True if tls is None else tls)
        async with (
            aiohttp.ClientSession(connector=connector) as client,
            client.get(f"{scheme}://{address.members[0]}/metrics") as answer,
        ):
            answer.raise_for_status()
            for name, value in _SAMPLE.findall(await answer.text()):
                if name in (_REQUESTS, _WRITES, _BYTES, _WATCHES):
                    found[name] = found.get(name, 0.0) + float(value)
        return found

    async def forget(self, namespace: str) -> None:
        await self._delete(f"incumbent/{namespace}/".encode())

    async def close(self) -> None:
        await self._delete(peers.PREFIX.encode())

    async def _delete(self, prefix: bytes) -> None:
        everything = pb.DeleteRangeRequest(key=prefix, range_end=prefix[:-1] + b"0")
        txn = pb.TxnRequest(success=[pb.RequestOp(request_delete_range=everything)])
        async with peers.connected(self.url) as (channel, metadata):
            await peers.call(channel, "KV/Txn", txn, pb.TxnResponse, metadata)


def _tls(files: dict[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files.get("ca"))
    if "cert" in files:
        context.load_cert_chain(files["cert"], files["key"])
    return context
