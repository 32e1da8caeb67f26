"""A web controller that goes standby → recovering → active, and answers 503 until it has recovered.

A load balancer asks /ready of every replica and sends the traffic to the one that says 200.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from enum import StrEnum

from aiohttp import web

import incumbent

ELECTION = "examples/web"


class State(StrEnum):
    """What a replica is."""

    STANDBY = "standby"
    RECOVERING = "recovering"
    ACTIVE = "active"


class Controller:
    """One replica."""

    def __init__(self, gateway: str, node: str, recovery: float) -> None:
        self._gateway, self._node, self._recovery = gateway, node, recovery
        self._term: incumbent.AsyncTerm | None = None
        self._recovered = False

    @property
    def state(self) -> State:
        """The state at this instant: the clock ends it, not a callback that may come late."""
        if self._term is None or not self._term.held:
            return State.STANDBY
        return State.ACTIVE if self._recovered else State.RECOVERING

    async def run(self, _: web.Application) -> AsyncIterator[None]:
        """Stand for leadership as long as the server runs."""
        leading = asyncio.create_task(self._lead())
        yield
        leading.cancel()
        with suppress(asyncio.CancelledError):
            await leading

    async def _lead(self) -> None:
        async with incumbent.AsyncClient(self._gateway, timeout=None) as client:
            async for term in client.terms(ELECTION, candidate=self._node, ttl=2):
                self._recovered = False
                with suppress(incumbent.LeadershipLost):
                    async with term:
                        self._term = term
                        await asyncio.sleep(self._recovery)  # reads what its predecessor left
                        self._recovered = True
                        await term.lost.wait()

    async def ready(self, _: web.Request) -> web.Response:
        """Answer 200 when active, 503 else."""
        status = 200 if self.state is State.ACTIVE else 503
        return web.json_response({"state": self.state, "node": self._node}, status=status)

    async def work(self, _: web.Request) -> web.Response:
        """Do something that only the leader may do."""
        if self.state is not State.ACTIVE or self._term is None:
            return web.json_response({"error": f"{self._node} is {self.state}"}, status=503)
        return web.json_response({"node": self._node, "fence": self._term.token})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway", default="127.0.0.1:7400")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--node", default="node")
    parser.add_argument("--recovery", type=float, default=1.0, help="seconds")
    options = parser.parse_args()
    controller = Controller(options.gateway, options.node, options.recovery)
    app = web.Application()
    app.cleanup_ctx.append(controller.run)
    app.add_routes([web.get("/ready", controller.ready), web.post("/work", controller.work)])
    web.run_app(app, host="127.0.0.1", port=options.port, print=None)


if __name__ == "__main__":
    main()
