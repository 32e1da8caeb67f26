"""Who answers at an address: only what is recognised counts, and nobody is waited for for long."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from incumbent_backends.who_answers import Speech, heard, is_host, stranger
from tests.servers import shared, shared_consul, shared_etcd


@asynccontextmanager
async def saying(answer: Callable[[bytes], bytes]) -> AsyncIterator[int]:
    """The port of a server that answers like this to what it is told first."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b""))
        writer.write(answer(await reader.read(64)))
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_the_stores_are_heard() -> None:
    for server, speech in (
        (shared("postgres"), Speech.POSTGRES),
        (shared_etcd("etcd-3.6"), Speech.HTTP),
        (shared_consul(), Speech.HTTP),
    ):
        host, _, port = server.address.rpartition(":")
        assert await heard(host, int(port)) == {speech}


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: b"",  # silent
        lambda told: b"" if told else b"SSH-2.0-OpenSSH_9.2\r\n",
        lambda told: b"" if told else b"220 mail ESMTP\r\n",
        lambda told: b"-ERR unknown command\r\n" if told else b"",
        lambda told: b"HTTP/1.1 502 Bad Gateway\r\n\r\n" if told else b"",
    ],
)
async def test_what_is_not_known_is_nobody(
    answer: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("incumbent_backends.who_answers.PATIENCE", 0.2)
    async with saying(answer) as port:
        assert await heard("127.0.0.1", port) == frozenset()


async def test_where_nobody_is_nobody_is_heard() -> None:
    assert await heard("127.0.0.1", 1) == frozenset()
    assert await heard("nobody.invalid", 1) == frozenset()


@pytest.mark.parametrize(
    ("spoken", "tls", "text"),
    [
        ({Speech.POSTGRES}, False, "it is a PostgreSQL"),
        ({Speech.HTTP}, True, "write etcd://"),
        ({Speech.TLS}, False, "write etcds://"),
        ({Speech.TLS}, True, None),
        ({Speech.HTTP}, False, None),
        ({Speech.HTTP, Speech.TLS}, True, None),  # it says in the clear that it wants TLS
        ({Speech.HTTP, Speech.TLS}, False, None),
        (set(), True, None),
    ],
)
def test_who_is_a_stranger(spoken: set[Speech], tls: bool, text: str | None) -> None:
    said = stranger(frozenset(spoken), "an etcd", "etcd", tls=tls)
    assert (said is None) == (text is None)
    assert text is None or text in str(said)


def test_what_can_be_a_host() -> None:
    assert all(map(is_host, ("localhost", "a.b", "a.b.", "127.0.0.1", "::1", "x" * 63)))
    assert not any(map(is_host, ("", "a..b", "x" * 64, ".")))
