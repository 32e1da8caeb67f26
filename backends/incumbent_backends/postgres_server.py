"""A PostgreSQL server: its URL, and connections to it that have been looked at before use.

Every connection, the first and each later one, is asked who answers: a standby, a read-only server
or another cluster than at the start grants nothing (Unavailable), until the right one is back.
Through a pooler, where a driver allows one, every statement asks so: postgres_pooler.py.
"""

import asyncio
import logging
import os
import re
import socket
import struct
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from incumbent_backends.api import BackendError, Rejected, Unavailable
from incumbent_backends.postgres_cause import is_stranger, sqlstate
from incumbent_backends.postgres_errors import knows, says_nobody, to_mend, translate
from incumbent_backends.postgres_pooler import pool
from incumbent_backends.statements import statements

T = TypeVar("T")
Connection: TypeAlias = psycopg.AsyncConnection[tuple[Any, ...]]

ANSWER = 5.0  # seconds in which a statement, however slow the network, is answered or given up
OLDEST = 150000  # server_version_num
_SETTINGS = {"lock_ms": "1000", "statement_ms": "4000", "idle_ms": "2000"}

# Unless the URL says otherwise. A dead peer is noticed within about 5 s, idle or not.
_DEFAULTS = {
    "application_name": "incumbent-server",
    "connect_timeout": "3",
    "keepalives_idle": "2",
    "keepalives_interval": "1",
    "keepalives_count": "3",
    "tcp_user_timeout": "5000",
}
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: what is closed is reset
_SCHEME = re.compile(r"postgres(ql)?(\+[a-z]+)?")  # what follows the plus is a driver's name

_UNKNOWN = re.compile(r"invalid (?:URI query parameter|connection option)")

_log = logging.getLogger(__name__)

SQL = {name: text.encode() for name, text in statements("postgres.sql").items()}


def parse_url(url: str) -> dict[str, Any]:
    """Return the connection parameters of a postgres:// or postgresql:// URL; offline."""
    scheme, _, rest = url.partition("://")
    if not _SCHEME.fullmatch(scheme.lower()):
        raise Rejected(f"a PostgreSQL store's URL begins with postgres: {_how('postgres')}")
    how = _how(scheme.lower())
    try:
        given = conninfo_to_dict(f"postgresql://{rest}")
    except (psycopg.ProgrammingError, UnicodeError) as error:  # its text repeats parts of the URL
        if _UNKNOWN.search(str(error)):
            raise Rejected("this PostgreSQL URL has a parameter that libpq does not know") from None
        raise Rejected(f"this PostgreSQL URL cannot be read: {how}") from None
    if "replication" in given:
        raise Rejected("a PostgreSQL URL for Incumbent cannot ask for replication: leave it out")
    ports = str(given.get("port") or 5432).split(",")
    if re.search(r"[\x00-\x1f]", url) or not all(_is_port(port) for port in ports):
        raise Rejected(f"this PostgreSQL URL cannot be read: {how}")
    return {**_DEFAULTS, **given}


def _is_port(text: str) -> bool:
    """Whether this is a port, or nothing, which stands for the usual one."""
    return not text or (re.fullmatch(r"\d{1,5}", text) is not None and 0 < int(text) < 65536)


def _how(scheme: str) -> str:
    return f"write {scheme}://user:password@host:5432/database"


class _Who(NamedTuple):
    """The answer to `who` in postgres.sql."""

    backend_pid: int
    in_recovery: bool
    system_identifier: int
    read_only: bool
    fsync: bool
    encoding: str
    version: int


class Server:
    """One PostgreSQL database, known by its cluster's identity from the first connection on.

    A pooler between is refused, unless `pooled` says that each statement stands for itself.
    """

    def __init__(self, url: str, *, pooled: bool = False) -> None:
        self._parameters = parse_url(url)
        self._pooled = pooled
        self._identity: int | None = None
        self._opened = False
        self._severed: dict[asyncio.Future[Any], Connection] = {}
        self._late: set[asyncio.Future[Connection]] = set()  # connecting, with nobody who waits

    def opened(self) -> None:
        """From now on errors are those of a running gateway."""
        self._opened = True

    def translate(self, error: psycopg.Error) -> BackendError:
        return translate(error, at_start=not self._opened)

    async def connect(self, parameters: Mapping[str, str] = MappingProxyType({})) -> Connection:
        """Make a connection, ask who answers, and settle how it behaves. Raises BackendError.

        `parameters` are libpq's and outdo those of the URL.
        """
        connection = await self._connect({**self._parameters, **parameters})
        try:
            await self.ask(connection, self._prepare(connection))
        except psycopg.Error as error:
            self.discard(connection)
            raise self.translate(error) from error
        except BaseException:
            self.discard(connection)
            raise
        return connection

    async def _connect(self, parameters: Mapping[str, Any]) -> Connection:
        """Connect, to the end even if nobody waits for it any more.

        libpq has nobody to close a connection that is given up half-way: the server would wait for
        the rest of it for a minute.
        """
        made = asyncio.ensure_future(psycopg.AsyncConnection.connect(**parameters, autocommit=True))
        try:
            await asyncio.wait({made}, timeout=ANSWER)
        except asyncio.CancelledError:
            self._give_up(made)
            raise
        if not made.done():
            self._give_up(made)
            raise Unavailable("PostgreSQL cannot be reached in time")
        try:
            return made.result()
        except psycopg.Error as error:
            raise await self._cause(error, parameters) from error

    async def _cause(self, error: psycopg.Error, parameters: Mapping[str, Any]) -> BackendError:
        """Say why there is no connection; at start more is asked than libpq tells."""
        told = self.translate(error)
        if self._opened or knows(error):
            return told
        if await is_stranger(parameters):
            return Rejected("what answers there is not a PostgreSQL")
        if says_nobody(error):
            return told
        code = await asyncio.to_thread(sqlstate, parameters)
        return translate(error, at_start=True, code=code)

    def _give_up(self, made: asyncio.Future[Connection]) -> None:
        self._late.add(made)
        made.add_done_callback(self._close_late)

    def _close_late(self, made: asyncio.Future[Connection]) -> None:
        self._late.discard(made)
        if not made.cancelled() and made.exception() is None:
            made.result().pgconn.finish()

    async def _prepare(self, connection: Connection) -> None:
        cursor = await connection.execute(SQL["who"])
        ((*answer,),) = await cursor.fetchall()
        who = _Who(*answer)
        through = who.backend_pid != connection.info.backend_pid
        self._inspect(who, pooler=through)
        if through:
            await self._prepare_pooled(connection, who)
        else:
            await connection.execute(SQL["settle"], _SETTINGS)

    async def _prepare_pooled(self, connection: Connection, who: _Who) -> None:
        first = SQL["settle_pooled"].decode()
        pool(connection, first.format(system_identifier=who.system_identifier, **_SETTINGS))
        try:
            async with connection.transaction():
                await connection.execute(SQL["who"])
        except psycopg.errors.ProtocolViolation as error:
            if "not allowed" not in str(error):  # poolers give this code to all that they say
                raise
            raise to_mend(
                "the pooler before this PostgreSQL allows no transactions: set it to transaction"
                " mode, or connect to the server itself",
                at_start=not self._opened,
            ) from error
        if not self._opened:
            _log.warning(
                "a pooler stands before PostgreSQL: changes by other gateways are looked for every"
                " 250 ms, as no NOTIFY comes through it"
            )

    def _inspect(self, who: _Who, *, pooler: bool) -> None:
        if self._identity is not None and who.system_identifier != self._identity:
            raise Unavailable("another PostgreSQL cluster answers than at the start: not used")
        if who.in_recovery:
            raise Unavailable("this PostgreSQL is a standby (in recovery): nothing is granted here")
        if who.read_only:
            raise Unavailable("PostgreSQL is read-only here")
        for sentence in self._unfit(who, pooler=pooler):
            raise to_mend(sentence, at_start=not self._opened)
        self._identity = who.system_identifier

    def _unfit(self, who: _Who, *, pooler: bool) -> Iterator[str]:
        if pooler and not self._pooled:
            yield (
                "a pooler stands before this PostgreSQL, so a connection's settings and locks and"
                " NOTIFY cannot be relied on: connect to the server itself"
            )
        if not who.fsync:
            yield (
                "this PostgreSQL runs with fsync = off, so a crash makes it forget what it has"
                " acknowledged: switch it on"
            )
        if who.encoding != "UTF8":
            yield f"this database's encoding is {who.encoding}; Incumbent needs UTF8"
        if who.version < OLDEST:
            yield f"this PostgreSQL is {who.version // 10000}; Incumbent needs 15 or newer"

    async def ask(
        self, connection: Connection, work: Coroutine[Any, Any, T], seconds: float | None = None
    ) -> T:
        """Run what talks on a connection, to its end or to that of the connection.

        When it takes longer than so many seconds (None: ANSWER; Unavailable) or is cancelled, the
        socket is shut: nothing more is sent, and what the server had received by then it does or
        not. psycopg's own way would be to ask the server to cancel, and to wait: long where the
        network is silent.
        """
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task}, timeout=ANSWER if seconds is None else seconds)
        finally:
            task.add_done_callback(_retrieve)  # nobody may be left to hear what it has to say
            if not task.done():
                self._sever(connection, task)
        if not task.done():
            raise Unavailable("PostgreSQL did not answer in time")
        return task.result()

    def fit(self, connection: Connection) -> bool:
        """Whether a connection can be used again: it stands, and nothing is under way on it."""
        idle = connection.info.transaction_status is TransactionStatus.IDLE
        return idle and connection not in self._severed.values()

    def discard(self, connection: Connection) -> None:
        """Close a connection; one that was severed closes by itself, when its task has ended."""
        if connection not in self._severed.values():
            connection.pgconn.finish()

    async def close(self) -> None:
        """Await the end of what was severed, a turn or two of the loop, and of what came late."""
        if left := {*self._severed, *self._late}:
            await asyncio.wait(left, timeout=1)
        for made in self._late:
            made.cancel()

    def _sever(self, connection: Connection, task: asyncio.Future[Any]) -> None:
        self._severed[task] = connection
        task.add_done_callback(self._finish)
        with suppress(OSError, psycopg.Error):
            _shut(connection.fileno())

    def _finish(self, task: asyncio.Future[Any]) -> None:
        # Not earlier: the task waits for the descriptor, whose number another one might get.
        self._severed.pop(task).pgconn.finish()


def _retrieve(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()


def _shut(descriptor: int) -> None:
    """End a socket; what is left of it when it is closed goes by a reset.

    A plain end would wait behind what the server has not acknowledged: for ever where its answers
    are lost on the way, and so long its session would hold its locks.
    """
    with socket.socket(fileno=os.dup(descriptor)) as end:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        end.shutdown(socket.SHUT_RDWR)
