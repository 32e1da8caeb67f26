"""The stores that the demo can be played on: a file, or a real server of its own for as long."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import consul, etcd, postgres


@dataclass(frozen=True, slots=True)
class Store:
    """Where the gateways keep their elections, and what becomes of a term without its gateway."""

    url: str
    shared: bool = True  # by several gateways, and by one that is started again
    keeps: bool = True  # a term outlives its gateway, and moves to another one with its token


@contextmanager
def _memory(_: Path) -> Iterator[Store]:
    yield Store("memory://", shared=False, keeps=False)


@contextmanager
def _sqlite(folder: Path) -> Iterator[Store]:
    yield Store(f"sqlite:///{folder}/incumbent.db")


@contextmanager
def _postgres(_: Path) -> Iterator[Store]:
    with postgres() as server:
        yield Store(server.url())


@contextmanager
def _advisory(_: Path) -> Iterator[Store]:
    with postgres() as server:
        yield Store(server.url().replace("postgres:", "postgres+advisory:", 1), keeps=False)


@contextmanager
def _etcd(_: Path) -> Iterator[Store]:
    with etcd() as server:
        yield Store(server.url())


@contextmanager
def _consul(_: Path) -> Iterator[Store]:
    with consul() as server:
        yield Store(server.url())


STORES: dict[str, Callable[[Path], AbstractContextManager[Store]]] = {
    "memory": _memory,
    "sqlite": _sqlite,
    "postgres": _postgres,
    "postgres+advisory": _advisory,
    "etcd": _etcd,
    "consul": _consul,
}
"""By name; each is opened with a folder for its files. Missing: it cannot be had here."""
