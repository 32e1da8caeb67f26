"""A task cluster: one leader hands out tasks, workers do them, and find it by what it proclaims.

Roles: `leader` stands for leadership, `worker` only works, `auto` does both (it works for whoever
leads until it leads itself), `observer` only tells who leads.
"""

import argparse
import asyncio
from contextlib import suppress

import incumbent
from program import arguments, end_by_exit, end_loop_by_exit, greet

ELECTION = "examples/cluster"


class Node:
    """One member of the cluster."""

    def __init__(self, client: incumbent.AsyncClient, name: str) -> None:
        self.client, self.name = client, name
        self._term: incumbent.AsyncTerm | None = None
        self._leader: incumbent.Leader | None = None
        self._changed = asyncio.Event()

    async def lead(self) -> None:
        """Stand for leadership, again and again; while leading, hand out tasks."""
        server = await asyncio.start_server(self._hand_out, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        address = f"{host}:{port}".encode()
        async for term in self.client.terms(ELECTION, candidate=self.name, value=address, ttl=2):
            with suppress(incumbent.LeadershipLost):
                async with term:
                    print(f"{self.name} leads, token {term.token}", flush=True)
                    self._term = term
                    await term.lost.wait()

    async def _hand_out(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one worker: a line a task, for as long as this node leads."""
        # All connections are cancelled at the end, and asyncio would call each of them an error.
        with suppress(ConnectionError, asyncio.CancelledError):
            number = 0
            while self._term is not None and self._term.held:
                number += 1
                writer.write(b"%d %d\n" % (self._term.token, number))
                await writer.drain()
                if not await reader.readline():
                    break
        writer.close()

    async def follow(self) -> None:
        """Learn who leads."""
        async for seen in self.client.observe(ELECTION):
            if not seen.synced:
                self._leader = seen.leader
                self._changed.set()
                who = "nobody" if seen.leader is None else seen.leader.candidate
                print(f"{self.name} sees that {who} leads", flush=True)

    async def work(self) -> None:
        """Do the tasks of whoever leads. A leader of an older token is not listened to again."""
        newest = 0
        while True:
            self._changed.clear()
            leader = self._leader
            if leader is None or leader.token < newest:
                await self._changed.wait()
                continue
            newest = leader.token
            with suppress(OSError):
                await self._work_for(leader)
            await asyncio.sleep(0.05)

    async def _work_for(self, leader: incumbent.Leader) -> None:
        host, _, port = leader.value.decode().rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            while not self._changed.is_set() and (line := await reader.readline()):
                token, number = line.split()
                print(f"{self.name} did task {int(token)}.{int(number)}", flush=True)
                await asyncio.sleep(0.1)
                writer.write(b"done\n")
        finally:
            writer.close()


ROLES = {
    "leader": (Node.lead,),
    "worker": (Node.follow, Node.work),
    "auto": (Node.lead, Node.follow, Node.work),
    "observer": (Node.follow,),
}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--role", choices=ROLES, default="auto", help="default: auto")
    options = parser.parse_args()
    end_by_exit()
    greet(options.node, options.gateway)
    asyncio.run(run(options))


async def run(options: argparse.Namespace) -> None:
    """Play the role until it is told to end; the loop then cancels all of it, which resigns."""
    end_loop_by_exit()
    async with incumbent.AsyncClient(options.gateway, timeout=None) as client:
        node = Node(client, options.node)
        async with asyncio.TaskGroup() as group:
            for part in ROLES[options.role]:
                group.create_task(part(node))


if __name__ == "__main__":
    main()
