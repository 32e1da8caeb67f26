"""A front before a Consul: hands calls on, and does to some of them what a test wants."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

Change = Callable[[web.Request], web.Response | None]


class Front:
    """Forwards to one server.

    `answers` may answer a call itself; while `blind`, blocking queries bring nothing, and what they
    bring is late by `delay` seconds; `shift` is added to the index that they tell. `seen` are the
    other calls that came; `given_up` counts the blocking queries whose client left.
    """

    def __init__(self, target: str) -> None:
        self._to = f"http://{target}"
        self.target = ""
        self.answers: Change = lambda _: None
        self.blind = False
        self.shift = 0
        self.delay = 0.0
        self.seen: list[str] = []
        self.given_up = 0
        self._client: aiohttp.ClientSession | None = None

    async def serve(self, request: web.Request) -> web.Response:
        try:
            return await self._serve(request)
        except asyncio.CancelledError:
            self.given_up += "wait" in request.query
            raise

    async def _serve(self, request: web.Request) -> web.Response:
        blocking = "wait" in request.query
        if not blocking:
            self.seen.append(f"{request.method} {request.path}")
        own = self.answers(request)
        if own is not None:
            return own
        if blocking and self.blind:
            await asyncio.Event().wait()
        assert self._client is not None
        async with self._client.request(
            request.method,
            self._to + request.path_qs,
            data=await request.read(),
            headers={k: v for k, v in request.headers.items() if k.startswith("X-Consul")},
        ) as answer:
            headers = {k: v for k, v in answer.headers.items() if k.startswith("X-Consul")}
            if blocking and self.shift:
                headers["X-Consul-Index"] = str(int(headers["X-Consul-Index"]) + self.shift)
            body = await answer.read()
        if blocking and self.blind:
            await asyncio.Event().wait()
        await asyncio.sleep(self.delay if blocking else 0)
        return web.Response(status=answer.status, body=body, headers=headers)

    async def run(self) -> web.AppRunner:
        self._client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{rest:.*}", self.serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.target = f"127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def close(self) -> None:
        assert self._client is not None
        await self._client.close()


@asynccontextmanager
async def front(target: str) -> AsyncIterator[Front]:
    """A front before this server."""
    made = Front(target)
    runner = await made.run()
    try:
        yield made
    finally:
        await made.close()
        await runner.cleanup()
