"""Where the gateways are and how they are spoken to, checked whole before anything is opened."""

import asyncio
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from incumbent.values import Tls

DEFAULT = "127.0.0.1:7400"


def seconds(period: float | timedelta, name: str) -> float:
    """Read a duration given in seconds or as a timedelta; ValueError below 0."""
    value = period.total_seconds() if isinstance(period, timedelta) else float(period)
    if not value >= 0:
        raise ValueError(f"{name} must be 0 s or more, not {value:g}")
    return value


@dataclass(frozen=True)
class Target:
    """The gateways of one store."""

    addresses: tuple[str, ...]
    tls: Tls | None
    token: str | Callable[[], str] | None = field(repr=False)
    timeout: float | None  # seconds; None: for ever

    async def metadata(self) -> tuple[tuple[str, str], ...]:
        """Make what goes with every call. The token is asked for at each, so that it may change.

        On a thread of its own: it may have to be fetched, and heartbeats do not wait for that.
        """
        if self.token is None:
            return ()
        token = self.token if isinstance(self.token, str) else await asyncio.to_thread(self.token)
        return (("authorization", f"Bearer {token}"),)


def to_target(
    gateways: str | Sequence[str],
    tls: Tls | None,
    plaintext: bool,
    token: str | Callable[[], str] | None,
    timeout: float | timedelta | None,
) -> Target:
    """Check a client's arguments. Raises ValueError."""
    texts = gateways.split(",") if isinstance(gateways, str) else list(gateways)
    addresses = tuple(text.strip() for text in texts)
    if not addresses or not all(addresses):
        raise ValueError("gateways must be HOST:PORT, or several of them; none may be empty")
    for address in addresses:
        remote = not _is_here(address)
        if tls is None and remote and not plaintext:
            raise ValueError(f"gateway {address} is on another host: choose TLS or allow plaintext")
        if tls is None and remote and token is not None:
            raise ValueError(f"a token is not sent to {address} in plaintext: choose TLS")
    if tls is not None and plaintext:
        raise ValueError("tls and plaintext=True exclude each other")
    if isinstance(token, str) and not (token.isascii() and token.isprintable() and token):
        raise ValueError("token must be printable ASCII, and not empty")
    limit = None if timeout is None else seconds(timeout, "timeout")
    return Target(addresses, tls, token, limit)


def _is_here(address: str) -> bool:
    """Whether an address never leaves this host; ValueError if it is none."""
    if address.startswith("unix:"):
        return True
    if any(sign in address for sign in "/ @?#"):
        raise ValueError(f"gateway {address!r} is not HOST:PORT: no scheme, no path")
    host, colon, port = address.rpartition(":")
    if not colon or not host or not (port.isdecimal() and port.isascii() and 0 < int(port) < 65536):
        raise ValueError(f"gateway {address!r} is not HOST:PORT with a port from 1 to 65535")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError(f"gateway {address!r}: an IPv6 address stands in brackets, [::1]:7400")
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
