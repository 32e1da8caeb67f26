"""Why a connection to PostgreSQL is refused, whatever language the server speaks: its SQLSTATE.

And whether it is a PostgreSQL at all.

libpq keeps the code to itself and gives the server's text alone, which may be in any language. But
it can trace the messages: so a connection that failed is tried once more with a trace. A trace
holds what proves the password too. It stays in memory, and nothing but the code is taken from it.
"""

import os
import re
import select
import time
from collections.abc import Iterator, Mapping
from typing import Any

from psycopg import pq
from psycopg.conninfo import make_conninfo

from incumbent_backends.who_answers import Speech, heard, is_host

PATIENCE = 3.0  # seconds

_CODE = re.compile(
    rb'^[^\t]*\tB\t\d+\tErrorResponse\t S "[^"]*" V "[^"]*" C "(\w{5})"', re.MULTILINE
)
_WAIT = {pq.PollingStatus.READING: select.POLLIN, pq.PollingStatus.WRITING: select.POLLOUT}


def sqlstate(parameters: Mapping[str, Any]) -> str | None:
    """Connect and return the code of the last refusal; blocks for PATIENCE at most.

    None: nobody refused, or a libpq before 18 that does not trace so early, or no Linux.
    """
    if not hasattr(os, "memfd_create"):
        return None
    trace = os.memfd_create("incumbent-libpq")
    connection = pq.PGconn.connect_start(make_conninfo(**parameters).encode())
    try:
        connection.trace(trace)
        _finish(connection)
        connection.untrace()
        return last_code(os.pread(trace, 1 << 20, 0))
    finally:
        connection.finish()
        os.close(trace)  # libpq's stream on it stays allocated, a few kB: this is for starts only


async def is_stranger(parameters: Mapping[str, Any]) -> bool:
    """Whether somebody answers where these parameters lead, who is known to be no PostgreSQL."""
    if parameters.get("sslnegotiation") == "direct":
        return False  # then it may speak TLS from its first word on
    for host, port in _places(parameters):
        spoken = await heard(host, port)
        if spoken and Speech.POSTGRES not in spoken:
            return True
    return False


def _places(parameters: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Hosts and their ports, of which libpq takes one for all or one each; but for sockets."""
    hosts = str(parameters.get("hostaddr") or parameters.get("host") or "").split(",")
    ports = str(parameters.get("port") or "").split(",")
    for n, host in enumerate(hosts):
        port = ports[n] if len(ports) == len(hosts) else ports[0]
        if is_host(host) and not host.startswith(("/", "@")):
            yield host, int(port or 5432)


def last_code(trace: bytes) -> str | None:
    """The SQLSTATE of the last ErrorResponse in a trace."""
    codes = _CODE.findall(trace)
    return codes[-1].decode() if codes else None


def _finish(connection: pq.abc.PGconn) -> None:
    """Connect to the end, or until patience does."""
    give_up = time.monotonic() + PATIENCE
    while (status := pq.PollingStatus(connection.connect_poll())) in _WAIT:
        poll = select.poll()
        poll.register(connection.socket, _WAIT[status])
        if not poll.poll(max(0.0, give_up - time.monotonic()) * 1000):
            return
