"""Connections to PostgreSQL that are refused, in any language, by TLS or for want of a place."""

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from incumbent_backends import postgres_server
from incumbent_backends.api import Claim, Rejected, Unavailable
from incumbent_backends.postgres_cause import last_code, sqlstate
from tests.certificates import Pair, authority, tls_postgres, verified
from tests.integration.postgres_store import build, eventually, refused, sql
from tests.integration.verbs import lead
from tests.processes import reachable
from tests.servers import Missing, Postgres, postgres

DEBIANS = "postgres15"  # it speaks languages and TLS; the wheel's does neither


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server whose every message is in German."""
    locales = tmp_path_factory.mktemp("locales")
    if shutil.which("localedef") is None or not Path("/usr/share/i18n/locales/de_DE").exists():
        raise Missing("localedef: no German here; install Debian's package locales")
    made = ["localedef", "-i", "de_DE", "-f", "UTF-8", str(locales / "de_DE.UTF-8")]
    subprocess.run(made, check=True, capture_output=True)
    for folder in (reachable(locales), *locales.rglob("*")):
        folder.chmod(0o755)
    with postgres(DEBIANS, environ={"LOCPATH": str(locales)}, lc_messages="de_DE.UTF-8") as server:
        with pytest.raises(psycopg.Error, match="existiert nicht"):
            sql(server.url(), "SELECT 1 FROM nowhere")
        sql(server.url(), "CREATE ROLE nobody NOLOGIN PASSWORD 'x'")
        sql(server.url(), "CREATE DATABASE closed")
        sql(server.url(), "REVOKE CONNECT ON DATABASE closed FROM public")
        sql(server.url(), "CREATE ROLE stranger LOGIN PASSWORD 'x'")
        yield server


CAUSES: dict[str, tuple[Callable[[Postgres], str], str]] = {
    "password": (lambda server: server.url(password="wrong"), "refuses this user's password"),
    "database": (lambda server: server.url(database="missing"), "no such database"),
    "no login": (lambda server: server.url("nobody", "x"), "does not let this user in"),
    "no right": (lambda server: server.url("stranger", "x", "closed"), "does not let this user in"),
    "no role": (lambda server: server.url("missing", "x"), "refuses this user's password"),
}


@pytest.mark.parametrize("cause", CAUSES)
async def test_a_refusal_in_another_language_is_told_by_its_code(
    german: Postgres, cause: str
) -> None:
    url, sentence = CAUSES[cause]
    with pytest.raises(Rejected, match=sentence) as caught:
        await build(url(german), "tests").__aenter__()
    assert caught.value.__cause__ is not None
    assert "FATAL" in str(caught.value.__cause__)
    assert all(word not in str(caught.value.__cause__) for word in ("password", "does not exist"))


async def test_a_text_that_is_understood_costs_no_second_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def asked(parameters: object) -> str:
        raise AssertionError(parameters)

    monkeypatch.setattr(postgres_server, "sqlstate", asked)
    with postgres() as server, pytest.raises(Rejected, match="refuses this user's password"):
        await build(server.url(password="wrong"), "tests").__aenter__()


def test_where_nothing_can_be_traced_there_is_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    assert sqlstate({"host": "127.0.0.1", "port": "1"}) is None


def test_the_code_is_taken_from_the_servers_last_refusal_alone() -> None:
    refusal = (
        '2026-11-24 10:53:31.0\tB\t104\tErrorResponse\t S "FATAL" V "FATAL" C "{}" M "{}" \\x00\n'
    )
    trace = refusal.format("28000", "x") + '2026\tF\t9\tPasswordMessage\t C "28P01"\n'
    assert last_code(trace.encode()) == "28000"
    assert last_code((trace + refusal.format("3D000", 'C "28P01"')).encode()) == "3D000"
    assert last_code(b'\tF\t9\tPasswordMessage\t S "" V "" C "28P01"') is None


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def private(ca: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with tls_postgres(tmp_path_factory.mktemp("server"), ca) as server:
        yield server


async def test_tls_whose_certificate_is_verified(private: Postgres, ca: Pair) -> None:
    async with build(verified(private, ca.certificate), "tests") as backend:
        term = await lead(backend)
        assert (await backend.renew([Claim("e", term.token)])).survivors
        encrypted = (
            "SELECT bool_and(ssl), count(*) > 1 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
            " WHERE application_name = 'incumbent-server'"
        )
        assert sql(private.url(), encrypted) == [(True, True)]


async def test_tls_that_cannot_be_verified(private: Postgres, ca: Pair, tmp_path: Path) -> None:
    stranger = authority(tmp_path, "stranger").certificate
    with pytest.raises(Rejected, match="nobody in sslrootcert has signed") as caught:
        await build(verified(private, stranger), "tests").__aenter__()
    assert str(tmp_path) not in str(caught.value)
    elsewhere = verified(private, ca.certificate).replace("127.0.0.1", "localhost")
    with pytest.raises(Rejected, match="not for the URL's host"):
        await build(elsewhere, "tests").__aenter__()
    with pytest.raises(Rejected, match="sslrootcert cannot be read"):
        await build(verified(private, tmp_path / "missing"), "tests").__aenter__()
    with pytest.raises(Rejected, match="let this user in"):
        await build(f"{private.url()}?sslmode=disable", "tests").__aenter__()


@contextlib.contextmanager
def crowded(server: Postgres) -> Iterator[None]:
    """Others hold all the connections that the server has."""
    with contextlib.ExitStack() as others:
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                others.enter_context(psycopg.connect(server.url()))
        yield


async def test_a_server_without_a_connection_to_spare() -> None:
    """One sentence at the start; later what holds goes on, and the rest comes back by itself."""
    namespace, full = f"full-{secrets.token_hex(6)}", "PostgreSQL has no connection to spare"
    with postgres(max_connections=14, superuser_reserved_connections=0) as server:
        with crowded(server), pytest.raises(Unavailable, match=full):
            await build(server.url(), namespace).__aenter__()
        async with build(server.url(), namespace) as backend:
            term = await lead(backend)
            await backend._lanes.close()  # it has none but for renewals and the watch
            with crowded(server):
                await refused(lambda: lead(backend, "new"), Unavailable, full)
                await refused(lambda: backend.read("e"), Unavailable, full)
                assert (await backend.renew([Claim("e", term.token)])).survivors
            assert (await eventually(lambda: backend.read("e"))).term == term
            assert (await eventually(lambda: lead(backend, "new"))).token > term.token
