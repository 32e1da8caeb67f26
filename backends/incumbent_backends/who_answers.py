"""What answers at an address where no store was found: asked by other protocols, at starts only.

A driver hears no more than that the other side hung up, as a server does that is being stopped,
which is waited for. So only what has positively been recognised as something else counts.
"""

import asyncio
import re
import ssl
from collections.abc import Awaitable
from contextlib import suppress
from enum import Enum, auto

PATIENCE = 1.0  # seconds for each question

_HTTP1 = b"GET / HTTP/1.0\r\n\r\n"
_HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SSL_REQUEST = bytes([0, 0, 0, 8, 4, 210, 22, 47])  # PostgreSQL's


def is_host(text: str) -> bool:
    """Whether this can be looked up: Python's own look-ups fail oddly on what is no name."""
    try:
        text.encode("idna")
    except UnicodeError:
        return False
    return bool(text)


class Speech(Enum):
    """A protocol that somebody was heard to speak."""

    POSTGRES = auto()
    HTTP = auto()  # 1 or 2, in the clear
    TLS = auto()


async def heard(host: str, port: int) -> frozenset[Speech]:
    """Ask in every protocol at once. One that wants TLS may say so in the clear: both are heard."""
    questions: dict[Speech, list[Awaitable[bool]]] = {
        Speech.POSTGRES: [_speaks_postgres(host, port)],
        Speech.HTTP: [_speaks_http1(host, port), _speaks_http2(host, port)],
        Speech.TLS: [_speaks_tls(host, port)],
    }
    asked = [(speech, question) for speech, each in questions.items() for question in each]
    answers = await asyncio.gather(*(question for _, question in asked))
    return frozenset(speech for (speech, _), yes in zip(asked, answers, strict=True) if yes)


def stranger(spoken: frozenset[Speech], store: str, scheme: str, *, tls: bool) -> str | None:
    """Say why this is not `store`, as "an etcd", whose URL has this scheme, or an s more: TLS."""
    if Speech.POSTGRES in spoken:
        return f"what answers there is not {store}: it is a PostgreSQL"
    if tls and Speech.HTTP in spoken and Speech.TLS not in spoken:
        return (
            "the URL asks for TLS, and what answers there speaks none:"
            f" write {scheme}:// for {store} without it"
        )
    if not tls and Speech.TLS in spoken and Speech.HTTP not in spoken:
        return f"what answers there speaks TLS: write {scheme}s:// for {store} with it"
    return None


async def _speaks_postgres(host: str, port: int) -> bool:
    return await _answer(host, port, _SSL_REQUEST) in (b"S", b"N")  # and nothing more: no banner


async def _speaks_http1(host: str, port: int) -> bool:
    answer = await _answer(host, port, _HTTP1)
    return re.match(rb"HTTP/1\.. [1-4]", answer) is not None  # 5: a proxy with nobody behind it


async def _speaks_http2(host: str, port: int) -> bool:
    return (await _answer(host, port, _HTTP2))[3:4] == b"\x04"  # SETTINGS, which come first


async def _answer(host: str, port: int, says: bytes) -> bytes:
    """What comes first; nothing if nothing does in time."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(says)
                return await reader.read(64)
            finally:
                writer.close()
    return b""


async def _speaks_tls(host: str, port: int) -> bool:
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # nothing is said there, whoever it is
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(host, port, ssl=anybody)
            writer.close()
    except ssl.SSLError as error:  # an alert is TLS too: it may want a client's certificate
        return "ALERT" in str(error)
    except (OSError, TimeoutError):
        return False
    return True
