"""One call to a Consul: what is sent once, and what an error must not give away."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from incumbent_backends.api import BackendError, Unavailable
from incumbent_backends.consul_http import Agent, Answer, Pool
from incumbent_backends.consul_url import parse_url
from tests.integration.consul_store import build, key, pair
from tests.integration.verbs import lead, watching
from tests.servers import shared_consul

STORE = "consul"
SECRET = "a-token-that-nobody-may-see"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue"


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[tuple[Agent, list[bytes]]]:
    """An agent whose Consul gives these answers, one a request, and the requests that came.

    An empty answer ends the connection, and the last one is given for ever.
    """
    came: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            answer = OK
            while answer:
                came.append(await reader.readuntil(b"\r\n\r\n"))
                answer = answers[min(len(came), len(answers)) - 1]
                writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        agent = Agent(parse_url(f"consul://:{SECRET}@127.0.0.1:{port}"))
        await agent.open()
        try:
            yield agent, came
        finally:
            await agent.close()


@pytest.mark.parametrize("before", [0, 1], ids=["a new connection", "one that was kept"])
async def test_a_put_whose_connection_breaks_is_sent_once(before: int) -> None:
    """It may have been done. aiohttp by itself would send it again."""
    async with answering(*[OK] * before, b"") as (agent, came):
        for _ in range(before):
            assert isinstance(await agent.call(Pool.WORK, "PUT", "/v1/txn"), Answer)
        with pytest.raises(Unavailable, match="connection to it broke"):
            await agent.call(Pool.WORK, "PUT", "/v1/txn")
        assert len(came) == before + 1


async def test_a_read_whose_connection_breaks_is_sent_again() -> None:
    async with answering(OK, b"", OK) as (agent, came):
        for _ in range(2):
            await agent.call(Pool.WORK, "GET", "/v1/status/leader")
        assert len(came) == 3


@pytest.mark.parametrize(
    "answer", [b"", b"\x00\x00\x06\x04", b"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n"]
)
async def test_no_error_gives_the_acl_token_away(answer: bytes) -> None:
    """Neither itself nor what it came from, as a debugger or a log of reprs would show them."""
    async with answering(answer) as (agent, came):
        with pytest.raises(BackendError) as caught:
            await agent.call(Pool.WORK, "PUT", "/v1/txn")
        assert SECRET.encode() in came[0]
    chain: list[BaseException | None] = [caught.value]
    while (error := chain.pop()) is not None:
        assert SECRET not in repr(error) + str(error)
        chain.append(error.__cause__ or error.__context__)


@pytest.mark.parametrize("what", ["deep", "half a character", "a huge token"])
async def test_a_record_that_no_gateway_wrote_blinds_nobody(namespace: str, what: str) -> None:
    """Even one under the lock of a session of ours, with our flags."""
    server = shared_consul()
    async with build(server.url(), namespace) as backend:
        term = await lead(backend)
        found = pair(server, namespace)
        record = json.loads(base64.b64decode(found["Value"]))
        content = {
            "deep": b"[" * 100_000,
            "half a character": json.dumps(record | {"candidate": "\ud800"}).encode(),
            "a huge token": json.dumps(record | {"token": 2**63}).encode(),
        }[what]
        async with watching(backend) as watch:
            query = f"flags={found['Flags']}&acquire={backend.session}"
            assert server.call("PUT", f"{key(namespace)}?{query}", content)
            await watch.until("e", None, seconds=2.0)
        async with watching(backend) as watch:
            assert watch.first == {}
        assert (await lead(backend)).token > term.token
