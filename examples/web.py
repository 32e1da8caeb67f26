"""A web controller that goes standby → recovering → active, and answers 503 until it has recovered.

A load balancer asks /ready of every replica and sends the traffic to the one that says 200. Each
replica on one host needs a --port of its own.
"""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from enum import StrEnum

from aiohttp import web

import incumbent
from program import arguments, end_by_exit, end_loop_by_exit, greet

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
        end_loop_by_exit()
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
                        print(f"{self._node} leads, token {term.token}: recovers", flush=True)
                        await asyncio.sleep(self._recovery)  # reads what its predecessor left
                        self._recovered = True
                        print(f"{self._node} is active", flush=True)
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
    parser = arguments(__doc__)
    parser.add_argument("--port", type=int, default=8080, help="default: 8080; 0: any free one")
    parser.add_argument("--recovery", type=float, default=1.0, help="seconds")
    options = parser.parse_args()
    end_by_exit()
    server = listen(options.port)
    address = "http://{}:{}".format(*server.getsockname())
    print(f"{options.node} answers at {address}/ready", flush=True)
    greet(options.node, options.gateway)
    controller = Controller(options.gateway, options.node, options.recovery)
    app = web.Application()
    app.cleanup_ctx.append(controller.run)
    app.add_routes([web.get("/ready", controller.ready), web.post("/work", controller.work)])
    web.run_app(app, sock=server, print=None, handle_signals=False)


def listen(port: int) -> socket.socket:
    """Take the port before anything else is begun, or end with a sentence."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except (OSError, OverflowError) as refused:
        sys.exit(f"web.py: port {port} of 127.0.0.1 cannot be had: {refused}; try another --port")


if __name__ == "__main__":
    main()
