"""etcd servers, 3.5 and 3.6: alone or three of a cluster, and what an operator says to them.

An operator's words go by etcd's JSON gateway, which is on the port of its clients.
"""

import base64
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.processes import free_port
from tests.servers.server import START, Server, built

VERSIONS = ("etcd-3.5", "etcd-3.6")


class Etcd(Server):
    """An etcd server; `flags` are its own, as auth_token_ttl=1.

    `host` is where clients find it, `peers` where other members do; `before` starts its command.
    """

    def __init__(
        self,
        name: str = "etcd-3.6",
        *,
        memory: bool = True,
        host: str = "127.0.0.1",
        peers: str = "127.0.0.1",
        before: Sequence[str] = (),
        **flags: Any,
    ) -> None:
        binary = built(name)
        super().__init__(name, memory=memory)
        self._binary = [*before, binary]
        self._host = host
        self.peer = f"http://{peers}:{free_port()}"
        self.member = self.folder.name
        self.flags = flags
        self.scheme = "http"
        self.trust: ssl.SSLContext | None = None
        self.token = ""
        self.cluster: Sequence[Etcd] = (self,)

    @property
    def address(self) -> str:
        return f"{self._host}:{self.port}"

    def _command(self) -> list[str]:
        client = f"{self.scheme}://{self.address}"
        flags: dict[str, object] = {
            "name": self.member,
            "data-dir": self.folder / "data",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": self.peer,
            "initial-advertise-peer-urls": self.peer,
            "initial-cluster": ",".join(f"{each.member}={each.peer}" for each in self.cluster),
            "initial-cluster-token": self.cluster[0].member,
            "log-level": "error",
        } | {name.replace("_", "-"): value for name, value in self.flags.items()}
        return [*self._binary, *(f"--{name}={value}" for name, value in flags.items())]

    def remove(self) -> None:
        if self._runs:  # in good order, one of a cluster would wait for the others
            self.kill()
        super().remove()

    def _answers(self) -> bool:
        # One of a cluster has its quorum only when another one is up: see etcd_cluster.
        return len(self.cluster) > 1 or self.serves()

    def serves(self) -> bool:
        """Whether it answers from its cluster's majority."""
        try:
            self.say("kv/range", key="ready")
        except urllib.error.HTTPError as error:
            return error.code in (400, 401, 403)  # it wants a user
        except OSError:
            return False
        return True

    def version(self) -> str:
        return str(self.say("maintenance/status")["version"])

    def say(self, verb: str, **fields: Any) -> dict[str, Any]:
        """Say something by hand, as etcdctl would. Keys and values are text."""
        body = {
            name: base64.b64encode(value.encode()).decode()
            if name in ("key", "range_end", "value") and "auth/" not in verb
            else value
            for name, value in fields.items()
        }
        request = urllib.request.Request(
            f"{self.scheme}://{self.address}/v3/{verb}",
            json.dumps(body).encode(),
            {"Authorization": self.token} if self.token else {},
        )
        with urllib.request.urlopen(request, timeout=10, context=self.trust) as answer:
            told: dict[str, Any] = json.load(answer)
        return told

    def leases(self) -> set[int]:
        return {int(each["ID"]) for each in self.say("lease/leases").get("leases", ())}

    def revision(self) -> int:
        return int(self.say("kv/range", key="ready")["header"]["revision"])

    def leads(self) -> bool:
        status = self.say("maintenance/status")
        return bool(status["leader"] == status["header"]["member_id"])

    def learns(self) -> bool:
        """Whether it is up, as a member without a vote."""
        try:
            return bool(self.say("maintenance/status").get("isLearner"))
        except OSError:
            return False

    def url(self, user: str = "", password: str = "") -> str:
        before = f"{user}:{password}@" if user else ""
        return f"etcd://{before}{','.join(each.address for each in self.cluster)}"


@contextmanager
def etcd(name: str = "etcd-3.6", *, memory: bool = True, **flags: Any) -> Iterator[Etcd]:
    """A server of this test's own, running, with these flags."""
    server = Etcd(name, memory=memory, **flags)
    try:
        yield server.start()
    finally:
        server.remove()


@contextmanager
def etcd_cluster() -> Iterator[list[Etcd]]:
    """Three members of one cluster, serving."""
    members = [Etcd("etcd-3.6") for _ in range(3)]
    with running(members):
        yield members


@contextmanager
def running(members: Sequence[Etcd]) -> Iterator[None]:
    """Have these serve as one cluster, until the end of the block."""
    for member in members:
        member.cluster = members
    try:
        for member in members:
            member.start()
        give_up = time.monotonic() + START
        while not all(member.serves() for member in members):
            assert time.monotonic() < give_up, members[0].log()
            time.sleep(0.02)
        yield
    finally:
        for member in members:
            member.remove()
