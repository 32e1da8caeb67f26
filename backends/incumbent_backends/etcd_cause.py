"""What answers at an address where gRPC found no etcd: asked by other protocols, at the start only.

gRPC says no more than that the other side hung up, as a member does that is being stopped. So only
what has positively been recognised as something else counts.
"""

import asyncio
import ssl
from contextlib import suppress

PATIENCE = 1.0  # seconds for each question

_HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SSL_REQUEST = bytes([0, 0, 0, 8, 4, 210, 22, 47])  # PostgreSQL's


async def cause(member: str, *, tls: bool) -> str | None:
    """One sentence on what answers there, if that is known not to be what the URL says."""
    if tls:
        frame = await _answer(member, _HTTP2, 4)
        if frame[3:4] == b"\x04":  # HTTP/2's SETTINGS, in the clear
            return (
                "the URL asks for TLS, and what answers there speaks none: write etcd:// for an"
                " etcd without it"
            )
    elif await _speaks_tls(member):
        return "what answers there speaks TLS: write etcds:// for an etcd with it"
    if await _answer(member, _SSL_REQUEST, 1) in (b"S", b"N"):
        return "what answers there is not an etcd: it is a PostgreSQL"
    return None


async def _answer(member: str, says: bytes, size: int) -> bytes:
    host, _, port = member.rpartition(":")
    with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            try:
                writer.write(says)
                return await reader.readexactly(size)
            finally:
                writer.close()
    return b""


async def _speaks_tls(member: str) -> bool:
    host, _, port = member.rpartition(":")
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # nothing is said there, whoever it is
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=anybody)
            writer.close()
    except ssl.SSLError as error:  # an alert is TLS too: it may want a client's certificate
        return "ALERT" in str(error)
    except (OSError, TimeoutError):
        return False
    return True
