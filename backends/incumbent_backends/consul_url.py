"""The URL of a Consul: `consul://:token@host:8500`, or `consuls://` for TLS."""

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qsl, unquote, urlsplit

from incumbent_backends.api import Rejected
from incumbent_backends.who_answers import is_host

TOKEN = "CONSUL_HTTP_TOKEN"  # noqa: S105 the variable's name, as Consul's own command has it
TTL_MIN = timedelta(seconds=10)  # session_ttl_min of a Consul whose operator did not change it

_PORTS = {"consul": 8500, "consuls": 8501}
_SCHEMES = {"consul": "http", "consuls": "https"}
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_DURATION = re.compile(r"(\d+)(ms|s|m)")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes"}
_HOW = "write consul://:token@host:8500, or consuls://:token@host:8501?ca=FILE for TLS"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Consul is, and how to talk to it."""

    base: str  # http://host:port
    token: str | None = field(repr=False)
    datacenter: str | None
    ca: str | None  # a file of certificates to believe instead of the system's
    certificate: str | None  # and the key in one file or two: what the gateway shows
    key: str | None
    session_ttl_min: timedelta

    @property
    def has_tls(self) -> bool:
        return self.base.startswith("https:")

    def tls(self) -> ssl.SSLContext | None:
        """Read the files. Rejected: one that cannot be read."""
        if not self.has_tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:  # ssl.SSLError is one
            raise Rejected("the file that the URL names as ca holds no readable certificate") from (
                error
            )
        if self.certificate is not None:
            try:
                context.load_cert_chain(self.certificate, self.key, password=lambda: b"")
            except OSError as error:
                raise Rejected(
                    "the files that the URL names as cert and key cannot be read, or do not belong"
                    " together"
                ) from error
        return context


def parse_url(url: str, environ: Mapping[str, str] = os.environ) -> Address:
    """Read a URL, offline. Rejected: it cannot be read."""
    scheme, _, _ = url.partition("://")
    scheme = scheme.lower()
    if scheme not in _SCHEMES or re.search(r"[\x00-\x20\x7f]", url):
        raise Rejected(f"this is no URL of a Consul: {_HOW}")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", _PORTS[scheme] if parts.port is None else parts.port
        given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:  # its text repeats parts of the URL
        raise Rejected(f"this Consul URL cannot be read: {_HOW}") from None
    place = _HOST.fullmatch(host) and is_host(host) and port
    if not place or parts.path not in ("", "/") or parts.fragment or parts.username:
        raise Rejected(f"this Consul URL cannot be read: {_HOW}")
    options = dict(given)
    return _address(
        base=f"{_SCHEMES[scheme]}://{f'[{host}]' if ':' in host else host}:{port}",
        token=unquote(parts.password) if parts.password else environ.get(TOKEN) or None,
        given=options,
        once=len(options) == len(given),
    )


def _address(base: str, token: str | None, given: dict[str, str], *, once: bool) -> Address:
    options = dict(given)
    address = Address(
        base=base,
        token=token,
        datacenter=options.pop("dc", None),
        ca=options.pop("ca", None),
        certificate=options.pop("cert", None),
        key=options.pop("key", None),
        session_ttl_min=_duration(options.pop("session_ttl_min", "10s")),
    )
    if options or not once:
        raise Rejected(
            "this Consul URL has an option that is not known here, or one twice; there are dc, ca,"
            " cert, key and session_ttl_min"
        )
    if token is not None and re.search(r"[^\x21-\x7e]", token):
        raise Rejected("the ACL token for Consul holds a character that none can hold")
    if not all(given.values()):
        raise Rejected("an option in this Consul URL has no value")
    if address.key is not None and address.certificate is None:
        raise Rejected("this Consul URL names a key, and no certificate: name cert as well")
    files = (address.ca, address.certificate, address.key)
    if any(files) and not address.has_tls:
        raise Rejected("this Consul URL names certificates, so it must begin with consuls://")
    return address


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if match is None or not int(match[1]):
        raise Rejected(
            "session_ttl_min in this Consul URL must be a duration of 1ms or more, as in 10s"
        )
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        raise Rejected("session_ttl_min in this Consul URL is longer than any duration") from None
