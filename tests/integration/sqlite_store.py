"""A SQLite store for the tests special to it: options, hands in the file, other processes."""

import asyncio
import os
import secrets
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from incumbent_backends.api import Backend, Clock, Options, Snapshot
from incumbent_backends.conformance import FakeClock
from incumbent_backends.sqlite import Sqlite
from tests.integration.verbs import SECOND, Watch, lead


def build(
    path: Path,
    *,
    namespace: str = "tests",
    backend_ttl: timedelta = 15 * SECOND,
    clock: Clock | None = None,
) -> Sqlite:
    """The driver on a file. Its clock stands still unless the test moves it."""
    return Sqlite(f"sqlite:///{path}", Options(namespace, backend_ttl, clock or FakeClock()))


def sql(path: Path, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Say something to the file by hand, as an operator with the sqlite3 shell would."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as db:
        return db.execute(statement, values).fetchall()


async def trace(backend: Sqlite) -> list[str]:
    """Every statement from now on of the connection that writes."""
    statements: list[str] = []
    await backend._writes.run(lambda db: db.set_trace_callback(statements.append))
    return statements


@contextmanager
def paused(backend: Sqlite, statement: str) -> Iterator[threading.Event]:
    """The writing thread stops before the next such statement; the event says that it has."""
    reached, go_on = threading.Event(), threading.Event()

    def stop(found: str) -> None:
        if found.startswith(statement) and not reached.is_set():
            reached.set()
            go_on.wait(10)

    def install(db: sqlite3.Connection) -> None:
        db.set_trace_callback(stop)

    backend._writes.submit(install).result(5)
    try:
        yield reached
    finally:
        go_on.set()


async def bid(backend: Sqlite, election: str = "e") -> Snapshot:
    return await backend.acquire(
        election, holder=secrets.token_hex(32), attempt=1, candidate="c", value=None
    )


async def look_round(watch: Watch, writer: Backend) -> None:
    """Return when the watching thread has done a whole round, with all that it does in one."""
    for _ in range(2):
        await writer.renew([])
        term = await lead(writer, "look-round")
        await watch.until("look-round", term.token)
        await writer.release(term)
        await watch.until("look-round", None)


async def occupied(backend: Sqlite) -> threading.Event:
    """Keep the writing thread busy until the event is set."""
    began, free = threading.Event(), threading.Event()

    def wait(_: sqlite3.Connection) -> None:
        began.set()
        free.wait(10)

    backend._writes.submit(wait)
    await asyncio.to_thread(began.wait, 5)
    return free


@contextmanager
def locked(path: Path, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Another program holds the file's write lock."""
    code = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        f"db.execute('BEGIN {kind}'); print('locked', flush=True); sys.stdin.read(); db.close()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        try:
            assert other.stdout.readline() == b"locked\n"
            yield
        finally:
            other.stdin.close()
            other.wait(10)


ENTER = """
import asyncio, os, sys
from datetime import timedelta
from incumbent_backends.api import BackendError, Options
from incumbent_backends.sqlite import Sqlite
from tests.integration.verbs import SECOND, Watch, lead

class Clock:
    def now(self):
        return 0.0

async def enter():
    options = Options("tests", timedelta(seconds=15), Clock())
    try:
        async with Sqlite(f"sqlite:///{sys.argv[1]}", options):
            print("opened")
    except BackendError as error:
        print(f"{type(error).__name__}: {error}")

asyncio.run(asyncio.sleep(0))  # what is imported late is imported now, as root may
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
asyncio.run(enter())
"""


def enter_unprivileged(path: Path) -> str:
    """What a user to whom file modes apply is told when opening the file."""
    ran = subprocess.run(
        [sys.executable, "-c", ENTER, str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    return ran.stdout.strip()
