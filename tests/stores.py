"""The stores that gateways are tested on, by name: a test says `@on("etcd", "consul")`.

It takes the fixture `gateways`, which is then of gateways on such a store, empty before the test
and after it. The servers are those that all tests share.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.gateways import Gateways
from tests.integration.advisory_store import locks
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


every_store = on("sqlite", "postgres", "postgres+advisory", "etcd", "consul")
where_terms_move = on("sqlite", "postgres", "etcd", "consul")


@contextmanager
def gateways_at(url: str, folder: Path) -> Iterator[Gateways]:
    """Gateways on a store, ended with the block."""
    gateways = Gateways(folder)
    gateways.store = url
    try:
        yield gateways
    finally:
        gateways.stop_all()


@contextmanager
def gateways_on(name: str, folder: Path) -> Iterator[Gateways]:
    """Gateways on an empty store of this name, ended with the block."""
    with _STORES[name](folder) as url, gateways_at(url, folder) as gateways:
        yield gateways


@contextmanager
def file(folder: Path) -> Iterator[str]:
    """The URL of a file of this test's own."""
    yield f"sqlite:///{folder}/incumbent.db"


@contextmanager
def database(*_: Path) -> Iterator[str]:
    """The URL of a database of this test's own."""
    url, name = shared("postgres").url(), f"e2e_{secrets.token_hex(6)}"
    with closing(psycopg.connect(url, autocommit=True)) as db:
        db.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield f"{url.rpartition('/')[0]}/{name}"
        finally:
            db.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


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
