"""A real pgbouncer before a PostgreSQL of the tests: Debian's, a process of its own."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.processes import end_with_parent, free_port, unprivileged
from tests.servers import Missing, Postgres
from tests.servers.server import START

CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {users}
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 200
server_login_retry = 1
"""


class Pgbouncer:
    """One pgbouncer, between start() and stop()."""

    def __init__(self, server: Postgres, mode: str = "transaction", size: int = 20) -> None:
        program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        if not Path(program).exists():
            raise Missing("pgbouncer: not here; install Debian's package pgbouncer")
        self._program = program
        self._server = server
        self._folder = Path(tempfile.mkdtemp(prefix="incumbent-pgbouncer-"))
        self._who = unprivileged()
        self.port = free_port()
        self._configure(mode, size)
        self._process: subprocess.Popen[bytes] | None = None

    def _configure(self, mode: str, size: int) -> None:
        users = self._folder / "users"
        users.write_text(f'"postgres" "{self._server.password}"\n')
        (self._folder / "ini").write_text(
            CONFIGURATION.format(
                server=self._server.port, port=self.port, users=users, mode=mode, size=size
            )
        )
        if "user" in self._who:
            for path in (self._folder, *self._folder.iterdir()):
                os.chown(path, self._who["user"], self._who["group"])

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self) -> str:
        """The server's own URL, but through here."""
        return self._server.url().replace(self._server.address, self.address)

    def start(self) -> "Pgbouncer":
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, str(self._folder / "ini")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder,
                preexec_fn=end_with_parent, **self._who,  # noqa: PLW1509 one C call
            )  # fmt: skip
        give_up = time.monotonic() + START
        while True:
            try:
                psycopg.connect(self.url()).close()
                return self
            except psycopg.OperationalError:
                assert self._process.poll() is None, self.log()
                assert time.monotonic() < give_up, self.log()
                time.sleep(0.02)

    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)  # at once; SIGINT would wait for clients
            self._process.wait(30)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder)


@contextmanager
def pgbouncer(server: Postgres, mode: str = "transaction", size: int = 20) -> Iterator[Pgbouncer]:
    """A pgbouncer of this test's own, running, before this server."""
    pooler = Pgbouncer(server, mode, size)
    try:
        yield pooler.start()
    finally:
        pooler.remove()
