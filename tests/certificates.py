"""Certificates of the tests' own making, by the command openssl."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import Missing, Postgres


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


def authority(folder: Path, name: str = "authority") -> Pair:
    """Make one that signs others."""
    return _make(folder, name, "basicConstraints=critical,CA:TRUE")


def signed(folder: Path, by: Pair, name: str, *, host: str) -> Pair:
    """Make one for a host, such as DNS:localhost or IP:127.0.0.1."""
    signer = ["-CA", str(by.certificate), "-CAkey", str(by.key)]
    return _make(folder, name, f"subjectAltName={host}", *signer)


def _make(folder: Path, name: str, extension: str, *more: str) -> Pair:
    if shutil.which("openssl") is None:
        raise Missing("openssl: not on the PATH; install Debian's package openssl")
    made = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", extension, *more]
    command += ["-keyout", str(made.key), "-out", str(made.certificate)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return made


@contextmanager
def tls_postgres(folder: Path, by: Pair) -> Iterator[Postgres]:
    """A PostgreSQL with a certificate for 127.0.0.1, which talks to nobody without TLS.

    Debian's: the wheel's is built without.
    """
    server = Postgres("postgres15", ssl="on")
    try:
        made = signed(folder, by, "server", host="IP:127.0.0.1")
        server.own_file("server.crt", made.certificate.read_text())
        server.own_file("server.key", made.key.read_text())
        server.own_file("pg_hba.conf", "hostssl all all all scram-sha-256\n")
        yield server.start()
    finally:
        server.remove()


def verified(server: Postgres, root: Path) -> str:
    """The server's URL for who believes no other than those in this file."""
    return f"{server.url()}?sslmode=verify-full&sslrootcert={root}"
