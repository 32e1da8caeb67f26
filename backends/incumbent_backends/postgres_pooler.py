"""A connection to PostgreSQL through a pooler in transaction mode, such as pgbouncer.

Each transaction may run on another of the pooler's connections, which other programs use as well.
So nothing is set on a connection, prepared on it or awaited from it (LISTEN). Each statement brings
its settings, and asks again who answers, in the one message and the one transaction that it is: on
a standby or on another cluster nothing of it is done. A gateway that is frozen holds no lock.
"""

from typing import Any, Self

import psycopg
from psycopg.abc import Params, Query
from psycopg.pq import TransactionStatus

from incumbent_backends.api import Unavailable

_ISOLATION = b"SET TRANSACTION ISOLATION LEVEL READ COMMITTED;"


class _PooledCursor(psycopg.AsyncClientCursor[tuple[Any, ...]]):
    """Says what comes first and then the statement; its result is the statement's."""

    first = b""

    async def execute(
        self,
        query: Query,
        params: Params | None = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
    ) -> Self:
        assert isinstance(query, bytes)
        begins = self.connection.info.transaction_status is TransactionStatus.IDLE
        first = (_ISOLATION if begins else b"") + self.first
        try:
            await super().execute(first + query, params, binary=binary)
        except psycopg.errors.DivisionByZero as error:  # see settle_pooled in postgres.sql
            raise Unavailable(
                "behind the pooler answers a standby, or another PostgreSQL cluster than at the"
                " start: not used"
            ) from error
        while self.nextset():
            pass
        return self


def pool(connection: psycopg.AsyncConnection[tuple[Any, ...]], first: str) -> None:
    """Have all that is said on the connection from now on come after this, in its transaction."""
    said = first.encode() + b";\n"

    class Cursor(_PooledCursor):
        first = said

    connection.prepare_threshold = None
    connection.cursor_factory = Cursor


def is_pooled(connection: psycopg.AsyncConnection[tuple[Any, ...]]) -> bool:
    """Whether the connection ends at a pooler, so that nothing is heard on it."""
    return issubclass(connection.cursor_factory, _PooledCursor)
