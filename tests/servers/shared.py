"""The servers that the tests of one run share, by name."""

import os
from collections.abc import Callable
from typing import TypeVar

from tests.servers.consul import Consul
from tests.servers.etcd import Etcd
from tests.servers.postgres import External, Postgres
from tests.servers.server import Server

VARIABLE = "INCUMBENT_TEST_POSTGRES"
Kind = TypeVar("Kind", bound=Server | External)

_shared: dict[str, Server | External] = {}


def shared(name: str) -> Postgres | External:
    """The PostgreSQL of this name for the whole test session; Missing fails who asked."""
    url = os.environ.get(VARIABLE) if name == "postgres" else None
    if url:
        return _once(name, External, lambda: External(url))
    return _once(name, Postgres, lambda: Postgres(name).start())


def shared_consul() -> Consul:
    """The Consul of the whole test session, one for development."""
    return _once("consul", Consul, lambda: Consul().start())


def shared_etcd(name: str) -> Etcd:
    """The etcd of this name for the whole test session."""
    return _once(name, Etcd, lambda: Etcd(name).start())


def _once(name: str, kind: type[Kind], start: Callable[[], Kind]) -> Kind:
    if name not in _shared:
        _shared[name] = start()
    server = _shared[name]
    assert isinstance(server, kind)
    return server


def stop_shared() -> None:
    """Stop what was started for the session."""
    while _shared:
        _shared.popitem()[1].remove()
