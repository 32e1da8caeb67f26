"""The stores that gateways are tested on, by name: a test says `@on("etcd", "consul")`.

It takes the fixture `gateways`, which is then of gateways on such a store, empty before the test
and after it. The servers are those that all tests share.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.gateways import Gateways, gateways_in
from tests.integration.advisory_store import locks
from tests.integration.postgres_store import scratch_database
from tests.servers import shared, shared_consul, shared_etcd

SERVERS = {  # by which --store chooses
    "sqlite": "sqlite",
    "postgres": "postgres",
    "postgres+advisory": "postgres",
    "etcd": "etcd-3.6",
    "consul": "consul",
}


def on(*names: str) -> pytest.MarkDecorator:
    """Run a test on each of these stores."""
    return pytest.mark.parametrize("gateways", names, indirect=True)


every_store = on(*SERVERS)
where_terms_move = on("sqlite", "postgres", "etcd", "consul")


@contextmanager
def gateways_on(name: str, folder: Path) -> Iterator[Gateways]:
    """Gateways on an empty store of this name, ended with the block."""
    with _STORES[name](folder) as url, gateways_in(folder, url) as gateways:
        yield gateways


@contextmanager
def file(folder: Path) -> Iterator[str]:
    """The URL of a file of this test's own."""
    yield f"sqlite:///{folder}/incumbent.db"


@contextmanager
def database(*_: Path) -> Iterator[str]:
    """The URL of a database of this test's own."""
    url = shared("postgres").url()
    with scratch_database(url) as name:
        yield f"{url.rpartition('/')[0]}/{name}"


@contextmanager
def advisory(*_: Path) -> Iterator[str]:
    """The same, by the driver of advisory locks."""
    with database() as url:
        yield locks(url)


@contextmanager
def an_etcd(*_: Path) -> Iterator[str]:
    """The URL of an etcd without a key of ours."""
    server = shared_etcd("etcd-3.6")
    try:
        yield server.url()
    finally:
        server.say("kv/deleterange", key="incumbent/", range_end="incumbent0")


@contextmanager
def a_consul(*_: Path) -> Iterator[str]:
    """The URL of a Consul without a key or a session of ours."""
    server = shared_consul()
    try:
        yield server.url()
    finally:
        for session in server.sessions("incumbent/incumbent"):
            server.call("PUT", f"/v1/session/destroy/{session}")
        server.call("DELETE", "/v1/kv/incumbent/?recurse")


_STORES: dict[str, Callable[[Path], AbstractContextManager[str]]] = {
    "sqlite": file,
    "postgres": database,
    "postgres+advisory": advisory,
    "etcd": an_etcd,
    "consul": a_consul,
}
