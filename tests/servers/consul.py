"""Consul servers: one in memory, one with a data folder for restarts, or a cluster of three.

The binary is the one of scripts/consul. Its licence is the BUSL: it is for tests, and not shipped.
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from tests.processes import free_ports
from tests.servers.server import START, Server, built


class Consul(Server):
    """A Consul server. Without `data` it is one for development: it keeps nothing.

    `settings` are of its configuration; `token` is what `call` shows.
    """

    def __init__(
        self,
        *,
        name: str = "consul",
        data: bool = False,
        bootstrap: int = 1,
        token: str = "",
        https: bool = False,
        settings: dict[str, Any] | None = None,
        memory: bool = True,
    ) -> None:
        binary = built("consul")
        super().__init__(name, memory=memory)
        self.token = token
        self._waits = True
        rpc, lan, self.https = free_ports(3)
        self.lan = f"127.0.0.1:{lan}"
        ports = {"http": self.port, "server": rpc, "serf_lan": lan, "serf_wan": -1, "dns": -1}
        ports |= {"grpc": -1, "grpc_tls": -1, "https": self.https if https else -1}
        configuration: dict[str, Any] = {
            "node_name": f"{name}-{self.port}",
            "bind_addr": "127.0.0.1",
            "client_addr": "127.0.0.1",
            "disable_update_check": True,
            "session_ttl_min": "1s",
            "connect": {"enabled": False},
            "log_level": "warn",
            "limits": {"http_max_conns_per_client": 4000},  # a blocking query outlives its client
        }
        if data:
            configuration |= {
                "server": True,
                "bootstrap_expect": bootstrap,
                "data_dir": str(self.folder / "data"),
                "performance": {"raft_multiplier": 1},
            }
        configuration |= settings or {}
        configuration["ports"] = ports | configuration.get("ports", {})
        file = self.folder / "consul.json"
        file.write_text(json.dumps(configuration))
        self._words = [binary, "agent", *([] if data else ["-dev"]), f"-config-file={file}"]

    def joins(self, others: Sequence["Consul"]) -> None:
        """Have it look for these when it starts."""
        self._words += [f"-retry-join={other.lan}" for other in others]
        self._words += ["-retry-interval=200ms"]

    def _command(self) -> list[str]:
        return self._words

    def _answers(self) -> bool:
        """Whether a leader serves, and knows that it is one."""
        if not self._waits:
            return True
        try:
            self.call("GET", "/v1/kv/nothing?consistent&keys")
        except urllib.error.HTTPError as error:
            error.close()
            return error.code in (403, 404)  # a read that was allowed, or forbidden
        except OSError:
            return False
        return True

    def begin(self) -> Self:
        """Start it without waiting: a member of a cluster has no leader before the others are."""
        self._waits = False
        try:
            return self.start()
        finally:
            self._waits = True

    def remove(self) -> None:
        """End it without good manners, which take it seconds, and forget its data."""
        if self._runs:
            self.kill()
        super().remove()

    def url(self, token: str = "", *, scheme: str = "consul", **options: str) -> str:
        """What a gateway is given; the lowered session_ttl_min is in it unless told otherwise."""
        options = {"session_ttl_min": "1s"} | options
        words = "&".join(f"{name}={value}" for name, value in options.items() if value)
        who = f":{token or self.token}@" if token or self.token else ""
        address = f"127.0.0.1:{self.https}" if scheme == "consuls" else self.address
        return f"{scheme}://{who}{address}?{words}"

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Say something to it by hand, as an operator would; None where the answer is no JSON."""
        data = body if isinstance(body, bytes) else None if body is None else _json(body)
        request = urllib.request.Request(f"http://{self.address}{path}", data, method=method)
        if self.token:
            request.add_header("X-Consul-Token", self.token)
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def keys(self, prefix: str) -> list[dict[str, Any]]:
        """The keys under a prefix, with all that Consul says of them."""
        try:
            return list(self.call("GET", f"/v1/kv/{prefix}?recurse&consistent"))
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                return []
            raise

    def sessions(self, name: str) -> list[str]:
        """The sessions of this name."""
        return [each["ID"] for each in self.call("GET", "/v1/session/list") if each["Name"] == name]

    def leads(self) -> bool:
        """Whether this server is the leader, by its own word."""
        return bool(self.call("GET", "/v1/agent/self")["Stats"]["consul"]["leader"] == "true")

    def version(self) -> str:
        config = self.call("GET", "/v1/agent/self")["Config"]
        return f"Consul {config['Version']}"


def _json(body: object) -> bytes:
    return json.dumps(body).encode()


@contextmanager
def consul(**how: Any) -> Iterator[Consul]:
    """A server of this test's own, running; `how` is as of Consul."""
    server = Consul(**how)
    try:
        yield server.start()
    finally:
        server.remove()


class Cluster:
    """Three servers with a leader."""

    def __init__(self) -> None:
        self.members = [Consul(name=f"consul{n}", data=True, bootstrap=3) for n in range(3)]
        for member in self.members:
            member.joins([other for other in self.members if other is not member])

    def start(self) -> Self:
        for member in self.members:
            member.begin()
        for member in self.members:
            assert member._await_answer(time.monotonic() + START), self.log()
        return self

    def log(self) -> str:
        return "\n".join(member.log() for member in self.members)

    @property
    def leader(self) -> Consul:
        return next(member for member in self.members if member.leads())

    def remove(self) -> None:
        for member in self.members:
            member.remove()


@contextmanager
def consul_cluster() -> Iterator[Cluster]:
    """Three members of this test's own, running."""
    cluster = Cluster()
    try:
        yield cluster.start()
    finally:
        cluster.remove()
