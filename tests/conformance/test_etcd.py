"""The etcd driver keeps the laws, on real servers of 3.5 and 3.6, its clock the test's own."""

import secrets
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from hypothesis import settings

from incumbent_backends.api import Backend, Options
from incumbent_backends.conformance import BackendConformance, BackendMachine, FakeClock, Harness
from incumbent_backends.etcd import Etcd
from incumbent_backends.etcd_terms import FAMILY
from tests.proxies import Proxy, proxied
from tests.servers import shared_etcd


class EtcdHarness(Harness):
    """A namespace of its own in a shared server, and a proxy of its own before each backend."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.server = shared_etcd(name)
        self.ends = AsyncExitStack()
        self.proxies: dict[Backend, Proxy] = {}
        self.next = self.server.address
        self.built: list[Etcd] = []

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        await self.ends.aclose()
        for session in await self.living_sessions():
            await self.end_session(session)

    def build(self, *, namespace: str, backend_ttl: timedelta) -> Etcd:
        backend = Etcd(f"etcd://{self.next}", Options(namespace, backend_ttl, FakeClock()))
        if namespace == self.namespace:
            self.built.append(backend)
        return backend

    async def open(
        self, *, backend_ttl: timedelta | None = None, namespace: str | None = None
    ) -> Backend:
        proxy = await self.ends.enter_async_context(proxied(self.server.address))
        self.next = proxy.target
        backend = await super().open(backend_ttl=backend_ttl, namespace=namespace)
        self.proxies[backend] = proxy
        return backend

    async def expire(self, backend: Backend) -> None:
        """To etcd a lease that expires is one that its leader revokes."""
        await self.end_session(backend.session)

    async def cut(self, backend: Backend) -> None:
        self.proxies[backend].refuses = True
        self.proxies[backend].reset()

    async def heal(self, backend: Backend) -> None:
        self.proxies[backend].refuses = False

    async def delete(self, election: str) -> None:
        self.server.say("kv/deleterange", key=f"incumbent/{self.namespace}/term/{election}")

    async def end_session(self, session: str) -> None:
        first = int(session, 16)
        for lease in self.server.leases():
            if first <= lease < first + FAMILY:
                self.server.say("lease/revoke", ID=str(lease))

    async def living_sessions(self) -> Collection[str]:
        living = {f"{lease - lease % FAMILY:016x}" for lease in self.server.leases()}
        return living & {backend.session for backend in self.built}

    async def tamper_marker(self) -> str:
        stranger = f"abacus {secrets.token_hex(2)}"
        self.server.say("kv/put", key=f"incumbent/{self.namespace}/marker", value=stranger)
        return stranger


class TestEtcd36(BackendConformance):
    STORE = "etcd-3.6"

    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        async with EtcdHarness(self.STORE) as harness:
            yield harness


class TestEtcd35(TestEtcd36):
    STORE = "etcd-3.5"


class EtcdMachine(BackendMachine):
    STORE = "etcd-3.6"

    def build_harness(self) -> Harness:
        return EtcdHarness(self.STORE)


class EtcdMachine35(EtcdMachine):
    STORE = "etcd-3.5"


MACHINE = settings(max_examples=8, stateful_step_count=25, deadline=None)


class TestEtcdMachine36(EtcdMachine.TestCase):  # type: ignore[valid-type,misc]
    STORE = "etcd-3.6"
    settings = MACHINE


class TestEtcdMachine35(EtcdMachine35.TestCase):  # type: ignore[valid-type,misc]
    STORE = "etcd-3.5"
    settings = MACHINE
