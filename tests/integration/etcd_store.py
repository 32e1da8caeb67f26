"""An etcd store for the tests special to it: options, hands in the keys, users."""

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from incumbent_backends.api import Backend, Clock, Options, Rejected, Unavailable
from incumbent_backends.conformance import FakeClock
from incumbent_backends.etcd import Etcd as Driver
from incumbent_backends.etcd_terms import FAMILY
from tests.certificates import Pair, signed
from tests.integration.verbs import SECOND
from tests.servers import Etcd

T = TypeVar("T")

SOON: dict[str, Any] = {"election_timeout": 100, "heartbeat_interval": 10}  # back sooner


def build(
    url: str,
    namespace: str,
    *,
    backend_ttl: timedelta = 15 * SECOND,
    clock: Clock | None = None,
) -> Driver:
    """The driver on a server. Its clock stands still unless the test moves it."""
    return Driver(url, Options(namespace, backend_ttl, clock or FakeClock()))


def key(namespace: str, election: str) -> str:
    return f"incumbent/{namespace}/term/{election}"


def leases_of(server: Etcd, backend: Backend) -> set[int]:
    """The living leases of a backend's session."""
    first = int(backend.session, 16)
    return {lease for lease in server.leases() if first <= lease < first + FAMILY}


async def refusal(backend: Backend) -> str:
    """The one sentence with which a backend refuses to open, without anything unseemly in it."""
    with pytest.raises(Rejected) as caught:
        await backend.__aenter__()
    text = str(caught.value)
    assert "\n" not in text
    assert not any(word in text for word in ("127.0.0.1", "grpc", "etcdserver"))
    return text


async def eventually(call: Callable[[], Awaitable[T]], seconds: float = 15.0) -> T:
    """Repeat a call that may be Unavailable, as the core does."""
    give_up = time.monotonic() + seconds
    while True:
        try:
            return await call()
        except Unavailable:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.02)


ROLE = "incumbent"


def with_users(server: Etcd, prefix: str = "incumbent/") -> None:
    """Switch authentication on: root, and `gate`, which may use the keys of this prefix alone."""
    server.say("auth/user/add", name="root", password="r")
    server.say("auth/role/add", name="root")
    server.say("auth/user/grant", user="root", role="root")
    server.say("auth/user/add", name="gate", password="g")
    server.say("auth/user/add", name="nobody", password="n")
    server.say("auth/role/add", name=ROLE)
    end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    permission = {"permType": "READWRITE", "key": _b64(prefix), "range_end": _b64(end)}
    server.say("auth/role/grant", name=ROLE, perm=permission)
    server.say("auth/user/grant", user="gate", role=ROLE)
    server.say("auth/enable")
    log_in(server)


def log_in(server: Etcd) -> None:
    """Be root in what is said by hand from here on."""
    server.token = ""
    server.token = str(server.say("auth/authenticate", name="root", password="r")["token"])


def forget_tokens(server: Etcd) -> None:
    """Have it forget who has authenticated, as it does when a token has expired."""
    server.say("auth/disable")
    server.token = ""
    server.say("auth/enable")
    log_in(server)


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def tls(folder: Path, server: Etcd, ca: Pair, *, client: bool = False) -> None:
    """Give a server that has yet to start a certificate; with `client` it asks for one as well."""
    made = signed(folder, ca, "server", host="IP:127.0.0.1")
    server.scheme = "https"
    server.flags = {"cert_file": made.certificate, "key_file": made.key}
    if client:
        server.flags |= {"client_cert_auth": "true", "trusted_ca_file": ca.certificate}
    server.trust = ssl.create_default_context(cafile=str(ca.certificate))


@asynccontextmanager
async def answering(first: bytes) -> AsyncIterator[str]:
    """Somebody who says this to whoever connects and speaks; the address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(first)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
