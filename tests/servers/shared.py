"""The servers that the tests of one run share, by name."""

import os

from tests.servers.consul import Consul
from tests.servers.etcd import Etcd
from tests.servers.postgres import External, Postgres

VARIABLE = "INCUMBENT_TEST_POSTGRES"

_shared: dict[str, Postgres | External] = {}
_consul: list[Consul] = []
_etcds: dict[str, Etcd] = {}


def shared(name: str) -> Postgres | External:
    """The server of this name for the whole test session; Missing fails the test that asked."""
    if name not in _shared:
        url = os.environ.get(VARIABLE)
        if name == "postgres" and url:
            _shared[name] = External(url)
        else:
            _shared[name] = Postgres(name).start()
    return _shared[name]


def shared_consul() -> Consul:
    """The Consul of the whole test session, one for development."""
    if not _consul:
        _consul.append(Consul().start())
    return _consul[0]


def shared_etcd(name: str) -> Etcd:
    """The etcd of this name for the whole test session."""
    if name not in _etcds:
        _etcds[name] = Etcd(name).start()
    return _etcds[name]


def stop_shared() -> None:
    """Stop what was started for the session."""
    while _consul:
        _consul.pop().remove()
    while _etcds:
        _etcds.popitem()[1].remove()
    while _shared:
        _shared.popitem()[1].remove()
