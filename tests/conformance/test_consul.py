"""The Consul driver keeps the laws, on a real server with clocks of the test's own."""

import base64
import json
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from hypothesis import settings

from incumbent_backends.api import Backend, Options
from incumbent_backends.conformance import BackendConformance, BackendMachine, FakeClock, Harness
from incumbent_backends.consul import Consul
from tests.proxies import Proxy, proxied
from tests.servers import shared_consul

STORE = "consul"


class ConsulHarness(Harness):
    """A namespace of its own in a shared server, and a proxy of its own before each backend."""

    def __init__(self) -> None:
        super().__init__()
        self.server = shared_consul()
        self.ends = AsyncExitStack()
        self.proxies: dict[Backend, Proxy] = {}
        self.next = self.server.address  # where the backend that is built now connects to

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        await self.ends.aclose()
        for session in await self.living_sessions():
            await self.end_session(session)
        self.server.call("DELETE", f"/v1/kv/incumbent/{self.namespace}?recurse")

    async def open(
        self, *, backend_ttl: timedelta | None = None, namespace: str | None = None
    ) -> Backend:
        proxy = await self.ends.enter_async_context(proxied(self.server.address))
        self.next = proxy.target
        backend = await super().open(backend_ttl=backend_ttl, namespace=namespace)
        self.proxies[backend] = proxy
        return backend

    def build(self, *, namespace: str, backend_ttl: timedelta) -> Consul:
        return Consul(f"consul://{self.next}", Options(namespace, backend_ttl, FakeClock()))

    async def expire(self, backend: Backend) -> None:
        """Consul has a clock of its own, and no verb that moves it: its end is the same by hand."""
        await self.end_session(backend.session)

    async def cut(self, backend: Backend) -> None:
        self.proxies[backend].refuses = True
        self.proxies[backend].reset()

    async def heal(self, backend: Backend) -> None:
        if backend in self.proxies:
            self.proxies[backend].refuses = False

    async def delete(self, election: str) -> None:
        self.server.call("DELETE", f"/v1/kv/incumbent/{self.namespace}/term/{election}")

    async def end_session(self, session: str) -> None:
        self.server.call("PUT", f"/v1/session/destroy/{session}")

    async def living_sessions(self) -> Collection[str]:
        return self.server.sessions(f"incumbent/{self.namespace}")

    async def tamper_marker(self) -> str:
        key = f"/v1/kv/incumbent/{self.namespace}/marker"
        (pair,) = self.server.call("GET", key)
        marker = json.loads(base64.b64decode(pair["Value"])) | {"mechanism": "abacus"}
        self.server.call("PUT", key, json.dumps(marker).encode())
        return "abacus"


class TestConsul(BackendConformance):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        async with ConsulHarness() as harness:
            yield harness


class ConsulMachine(BackendMachine):
    def build_harness(self) -> Harness:
        return ConsulHarness()


TestConsulMachine = ConsulMachine.TestCase
TestConsulMachine.settings = settings(max_examples=8, stateful_step_count=25, deadline=None)
