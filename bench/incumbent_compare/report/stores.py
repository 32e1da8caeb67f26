"""What each store promises, as its driver says it, and whom it suits, in our words."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Final

from incumbent_backends.api import BackendError, Clock, Expiry, Limits, Options
from incumbent_backends.registry import open_backend
from incumbent_compare.report.numbers import SPACE, amount


@dataclass(frozen=True, slots=True)
class Promise:
    """What holds on a store, whatever a run finds."""

    kind: str
    survives: str
    least: str
    """How long the terms of a silent gateway are kept, with the smallest backend ttl."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Store:
    """A store as the report speaks of it."""

    title: str
    brief: str
    """The title where room is scarce."""
    short: str
    """Whom it suits, in a few words."""
    suits: str
    promise: Promise | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    url: str
    title: str
    short: str
    suits: str


_KNOWN: Final = {
    "memory": _Known(
        "memory://",
        "memory",
        "tests and demos",
        "Tests and demos: one process, and nothing outlives it. After a restart tokens begin at 1"
        " again, so nothing that lasts may be fenced with them.",
    ),
    "sqlite": _Known(
        "sqlite:////var/lib/incumbent.db",
        "SQLite",
        "one host, nothing else to run",
        "Who has one host and wants nothing else to run: one file on a local disk serves all its"
        " gateways, and terms outlive gateways and restarts. When the host is down, so is all of"
        " it, and whoever holds the file's write lock, a frozen gateway included, stops all.",
    ),
    "postgres": _Known(
        "postgres://localhost/incumbent",
        "PostgreSQL, lease rows",
        "who runs PostgreSQL and wants the whole promise",
        "Who runs PostgreSQL and wants the whole promise on any number of hosts: terms outlive"
        " their gateway, move between gateways and outlive a restart of the server, also through"
        " pgbouncer. It is as available as the database, and a failover to a standby that lacks"
        " commits takes tokens back.",
    ),
    "postgres+advisory": _Known(
        "postgres+advisory://localhost/incumbent",
        "PostgreSQL, advisory locks",
        "who fences, and wants a dead gateway succeeded at once",
        "Who fences every write and wants a dead gateway succeeded at once. It promises less than"
        " lease rows on the same server: terms end with their gateway's connection and with the"
        " server, cannot move, and until the former leader has been told only the token protects."
        " No pooler, and at most 2,000 elections.",
    ),
    "etcd": _Known(
        "etcd://localhost:2379",
        "etcd",
        "who needs to bear the loss of a member",
        "Who runs etcd, or needs a store that bears the loss of a member: as long as most members"
        " live, terms go on. It grants whole seconds, 2 s at the least, and each change of its"
        " leader lets every lease begin anew.",
    ),
    "consul": _Known(
        "consul://localhost:8500",
        "Consul",
        "who runs Consul already",
        "Who runs Consul already, with several servers. Clients that fall silent are succeeded as"
        " quickly as elsewhere, but a dead gateway's terms are kept for two backend ttls, 20 s at"
        " the least unless its configuration was changed. Not one to set up for this alone.",
    ),
}
_SAME: Final = {
    "postgresql": "postgres",
    "postgresql+advisory": "postgres+advisory",
    "etcds": "etcd",
    "consuls": "consul",
}
_UNKNOWN = "Not known to this report: its driver's own documentation says what it promises."


@cache
def store(name: str) -> Store:
    """The store of this name, known or not."""
    known = _KNOWN.get(_SAME.get(name.lower(), name.lower()))
    if known is None:
        title = name or "without a store"
        return Store(title, title, "not known here", _UNKNOWN)
    brief = known.title.replace(", lease rows", " leases").replace(", advisory", "")
    return Store(known.title, brief, known.short, known.suits, _promise(known.url))


def order(name: str) -> tuple[int, str]:
    """Where a store stands in a table: the known ones first, in the order of above."""
    names = list(_KNOWN)
    known = _SAME.get(name.lower(), name.lower())
    return (names.index(known) if known in names else len(names), name)


class _NoClock(Clock):
    """A driver is asked for its limits alone, so it never looks at the clock."""

    def now(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


def _promise(url: str) -> Promise | None:
    """What the installed driver says of itself before it is opened."""
    options = Options("incumbent", timedelta(minutes=1), _NoClock())
    try:
        limits = open_backend(url, options).limits
    except BackendError:  # its packages are not installed
        return None
    return Promise(
        kind="lease" if limits.expiry is Expiry.LEASE else "session",
        survives=_survives(limits),
        least=_least(limits),
        notes=limits.notes,
    )


def _least(limits: Limits) -> str:
    ttl = limits.min_backend_ttl.total_seconds()
    kept = ttl * limits.expiry_factor + limits.expiry_slack.total_seconds()
    return f"≤ {amount(kept, 's')} at a ttl of {ttl:g}{SPACE}s"


def _survives(limits: Limits) -> str:
    what = {
        "a dead gateway": limits.survives_gateway,
        "a restart of the store": limits.survives_restart,
    }
    return ", ".join(name for name, survived in what.items() if survived) or "neither"
