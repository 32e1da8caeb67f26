"""What a scenario needs to know of a store."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from incumbent_compare.contender import Peer
from incumbent_compare.usage import cpu_of_family


class Unreachable(Exception):
    """The store does not answer; the text says why, and shows no password."""


@dataclass(frozen=True, slots=True)
class Count:
    """What the store has done so far, from whomever it came."""

    writes: float
    """Write transactions that it committed."""
    requests: float | None = None
    """What it was asked, reads and renewals included; None: it does not say."""
    log_bytes: float | None = None
    """Bytes of its WAL or raft log."""

    def __sub__(self, other: Self) -> "Count":
        return Count(
            self.writes - other.writes,
            _less(self.requests, other.requests),
            _less(self.log_bytes, other.log_bytes),
        )

    def __add__(self, other: Self) -> "Count":
        return Count(
            self.writes + other.writes,
            _more(self.requests, other.requests),
            _more(self.log_bytes, other.log_bytes),
        )


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _more(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


class Target(ABC):
    """A store that can be reached. `prepare` comes first, `close` last."""

    name: str
    shared = True  # by several gateways
    terms = 20_000  # that one gateway holds at most
    counts = ""  # how its writes are counted, for the report
    peers: tuple[Peer, ...] = ()

    def __init__(self, url: str, folder: Path) -> None:
        """`folder` is for files of the comparison's own."""
        self.url = url
        self.folder = folder
        self._pid: int | None = None

    @abstractmethod
    async def prepare(self) -> str:
        """Return its version; make what the peers need. Unreachable: it does not answer."""

    @abstractmethod
    async def count(self) -> Count:
        """Ask the store what it has done."""

    @classmethod
    def check(cls, url: str) -> str:
        """Return the URL as its driver wants it, offline; BackendError: it cannot be read."""
        return url

    @abstractmethod
    async def forget(self, namespace: str) -> None:
        """Remove what the gateways of this namespace have left."""

    @abstractmethod
    async def close(self) -> None:
        """Remove what the peers have left, and let go of the store."""

    async def watches(self) -> float | None:
        """How many watches or connections it serves; None: it does not say."""
        return None

    def cpu(self) -> float | None:
        """CPU seconds of its processes so far; None: they are not on this machine."""
        if self._pid is None:
            return None
        try:
            return cpu_of_family(self._pid)
        except OSError:
            return None
