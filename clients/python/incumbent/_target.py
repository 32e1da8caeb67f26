"""Where the gateways are and how they are spoken to, checked whole before anything is opened."""

import asyncio
import ipaddress
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from operator import index
from typing import SupportsFloat, SupportsIndex

from incumbent._failure import Failure
from incumbent.values import Tls

DEFAULT = "127.0.0.1:7400"
TOKEN = "token must be printable ASCII, and not empty"  # noqa: S105 - a sentence


def seconds(period: float | timedelta, name: str) -> float:
    """Read a duration given in seconds or as a timedelta; ValueError below 0."""
    if isinstance(period, timedelta):
        period = period.total_seconds()
    if isinstance(period, bool) or not isinstance(period, SupportsFloat):
        raise ValueError(f"{name} must be seconds or a timedelta, not {type(period).__name__}")
    try:
        value = float(period)
    except OverflowError:
        raise ValueError(f"{name} is out of all bounds") from None
    if not value >= 0:
        raise ValueError(f"{name} must be 0 s or more, not {value:g}")
    return value


def text(value: str, name: str) -> str:
    """Check an argument that is to be text. Raises ValueError, which shows nothing of it."""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a str, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} must be text: it holds what is no character") from None
    return value


def int64(value: int, name: str) -> int:
    """Check an argument that is to be a number of 64 bits. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise ValueError(f"{name} must be an int, not {type(value).__name__}")
    number = index(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{name} must be a number of 64 bits")
    return number


def boolean(value: bool, name: str) -> bool:
    """Check an argument that is to be True or False. Raises ValueError."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, not {value!r}")
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
        token = self.token
        if not isinstance(token, str):
            token = await asyncio.to_thread(_asked, token)
            if not _may_be_sent(token):
                raise Failure("INVALID_ARGUMENT", "", f"the bearer {TOKEN}")
        return (("authorization", f"Bearer {token}"),)


def _asked(token: Callable[[], str]) -> str:
    """Ask the caller for one. Whatever is raised is a failure: sys.exit would end our thread.

    And StopIteration would end nothing: no asyncio.Future takes it, so somebody would wait for it.
    """
    try:
        return token()
    except BaseException as error:
        raise RuntimeError(f"`token` raised {error!r}") from error


def _may_be_sent(token: object) -> bool:
    return isinstance(token, str) and token.isascii() and token.isprintable() and token != ""


def to_target(
    gateways: str | Sequence[str],
    tls: Tls | None,
    plaintext: bool,
    token: str | Callable[[], str] | None,
    timeout: float | timedelta | None,
) -> Target:
    """Check a client's arguments. Raises ValueError."""
    addresses = _addresses(gateways)
    boolean(plaintext, "plaintext")
    if not (tls is None or isinstance(tls, Tls)):
        raise ValueError(f"tls must be a Tls or None, not {type(tls).__name__}")
    for address in addresses:
        remote = not _is_here(address)
        if tls is None and remote and not plaintext:
            raise ValueError(f"gateway {address} is on another host: choose TLS or allow plaintext")
        if tls is None and remote and token is not None:
            raise ValueError(f"a token is not sent to {address} in plaintext: choose TLS")
    if tls is not None and plaintext:
        raise ValueError("tls and plaintext=True exclude each other")
    if not (token is None or callable(token) or _may_be_sent(token)):
        raise ValueError(TOKEN)
    limit = None if timeout is None else seconds(timeout, "timeout")
    return Target(addresses, tls, token, limit)


def _addresses(gateways: str | Sequence[str]) -> tuple[str, ...]:
    texts: object = gateways.split(",") if isinstance(gateways, str) else gateways
    if isinstance(texts, (bytes, bytearray)) or not isinstance(texts, Iterable):
        raise ValueError(f"gateways must be HOST:PORT, or several, not {type(gateways).__name__}")
    addresses = tuple(text(each, "each of gateways").strip() for each in texts)
    if not addresses or not all(addresses):
        raise ValueError("gateways must be HOST:PORT, or several of them; none may be empty")
    return addresses


def _is_here(address: str) -> bool:
    """Whether an address never leaves this host; ValueError if it is none."""
    if address.startswith("unix:"):
        return True
    if any(sign in address for sign in "/ @?#"):
        raise ValueError(f"gateway {address!r} is not HOST:PORT: no scheme, no path")
    host, colon, port = address.rpartition(":")
    if not colon or not host or not (port.isdecimal() and port.isascii() and 0 < int(port) < 65536):
        raise ValueError(f"gateway {address!r} is not HOST:PORT with a port from 1 to 65535")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        found = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        found = None
    if bracketed != (":" in host) or (bracketed and found is None) or "[" in host[1:]:
        raise ValueError(
            f"gateway {address!r}: an IPv6 address stands in brackets, and no name does, [::1]:7400"
        )
    return host.lower() == "localhost" if found is None else found.is_loopback
