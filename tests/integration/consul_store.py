"""A Consul for the tests special to it: drivers, hands in the keys, tokens with few rights."""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from incumbent_backends.api import Backend, Clock, Options, Unavailable
from incumbent_backends.conformance import FakeClock
from incumbent_backends.consul import Consul as Driver
from tests.integration.verbs import SECOND
from tests.servers import Consul

T = TypeVar("T")

# As docs/operations.md has it.
POLICY = """
key_prefix "incumbent/NAMESPACE/" {
  policy = "write"
}
session_prefix "" {
  policy = "write"
}
"""

MANAGEMENT = "6f0c1c30-0000-4000-8000-000000000001"
ACL = {
    "acl": {
        "enabled": True,
        "default_policy": "deny",
        "tokens": {"initial_management": MANAGEMENT},
    }
}


def build(
    url: str,
    namespace: str,
    *,
    backend_ttl: timedelta = 15 * SECOND,
    clock: Clock | None = None,
) -> Driver:
    """The driver on a server. Its clock stands still unless the test moves it."""
    return Driver(url, Options(namespace, backend_ttl, clock or FakeClock()))


def at(address: str) -> str:
    """The URL of what listens there."""
    return f"consul://{address}?session_ttl_min=1s"


def key(namespace: str, election: str = "e") -> str:
    return f"/v1/kv/incumbent/{namespace}/term/{election}"


def pair(server: Consul, namespace: str, election: str = "e") -> dict[str, Any]:
    """An election's key, with all that Consul says of it."""
    (found,) = server.call("GET", f"{key(namespace, election)}?consistent")
    return dict(found)


def record(found: dict[str, Any]) -> dict[str, Any]:
    """What stands in a key."""
    return dict(json.loads(base64.b64decode(found["Value"])))


def token_for(server: Consul, rules: str) -> tuple[str, str]:
    """Make an ACL token with these rights alone: its secret, and its name for operators."""
    name = f"p-{secrets.token_hex(4)}"
    server.call("PUT", "/v1/acl/policy", {"Name": name, "Rules": rules})
    made = server.call("PUT", "/v1/acl/token", {"Policies": [{"Name": name}]})
    return str(made["SecretID"]), str(made["AccessorID"])


async def eventually(call: Callable[[], Awaitable[T]], seconds: float = 15.0) -> T:
    """Repeat a call that may be Unavailable, as the core does."""
    give_up = time.monotonic() + seconds
    while True:
        try:
            return await call()
        except Unavailable:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.05)


async def until(holds: Callable[[], bool], seconds: float = 5.0) -> float:
    """Wait until it holds; how long that took."""
    began = time.monotonic()
    while not await asyncio.to_thread(holds):
        assert time.monotonic() - began < seconds
        await asyncio.sleep(0.01)
    return time.monotonic() - began


async def claim_nothing(backend: Backend) -> None:
    """Two renewals that want nothing: what is left out is gone."""
    await backend.renew([])
    await backend.renew([])
