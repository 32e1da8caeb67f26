"""What the harnesses of PostgreSQL's two mechanisms share."""

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

from incumbent_backends.api import Backend
from incumbent_backends.conformance import Harness
from tests.integration.postgres_store import sql
from tests.proxies import Proxy, proxied
from tests.servers import External, Postgres


class ServerHarness(Harness):
    """A namespace of its own in a shared server, and a proxy of its own before each backend."""

    def __init__(self, server: Postgres | External, pooler: str | None = None) -> None:
        super().__init__()
        self.server = server
        self.target = pooler or server.address
        self.ends = AsyncExitStack()
        self.proxies: dict[Backend, Proxy] = {}
        self.next = self.target  # where the backend that is built now connects to

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        await self.ends.aclose()

    async def open(
        self, *, backend_ttl: timedelta | None = None, namespace: str | None = None
    ) -> Backend:
        proxy = await self.ends.enter_async_context(proxied(self.target))
        self.next = proxy.target
        backend = await super().open(backend_ttl=backend_ttl, namespace=namespace)
        self.proxies[backend] = proxy
        return backend

    async def cut(self, backend: Backend) -> None:
        self.proxies[backend].refuses = True
        self.proxies[backend].reset()

    async def heal(self, backend: Backend) -> None:
        self.proxies[backend].refuses = False

    async def tamper_marker(self) -> str:
        statement = "UPDATE incumbent_namespace SET mechanism = 'abacus' WHERE name = %s"
        self.run(statement, self.namespace)
        return "abacus"

    def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Say something to the database by hand."""
        return sql(self.server.url(), statement, *values)
