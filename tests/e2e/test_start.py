"""What an operator has to mend is one sentence and exit code 2, before anything listens."""

import shutil
import signal
import socket
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.clients import Streams, an_election
from tests.gateways import PROGRAM, Gateways, gateways_in

NOBODY = 65534

# What is imported late is imported now: another user may not reach this Python at all.
AS_NOBODY = f"""
import asyncio, contextlib, os, sys
from incumbent_backends import registry, sqlite
from incumbent_server import program as gateway
asyncio.run(asyncio.sleep(0))
"x".encode("idna")
with contextlib.suppress(Exception):
    registry.open_backend(sys.argv[2], None)
if os.getuid() == 0:
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
sys.exit(gateway.main(sys.argv[1:]))
"""


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user reaches, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="incumbent-"))
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def test_a_file_that_is_no_database(gateways: Gateways) -> None:
    letter = b"Dear reader, this is no database.\n" * 100
    gateways.file.write_bytes(letter)
    assert "is not a SQLite database" in gateways.refused()
    assert gateways.file.read_bytes() == letter


def test_the_script_itself_serves_and_refuses(gateways: Gateways, tmp_path: Path) -> None:
    """The others are forked from one process that has imported it."""
    script = (str(PROGRAM),)
    gateway = gateways.start(program=script)
    gateway.terminate()
    assert gateway.wait() == 0
    missing = f"sqlite:///{tmp_path}/missing/store.db"
    assert "does not exist" in gateways.refused(store=missing, program=script)


def test_a_missing_folder(gateways: Gateways, tmp_path: Path) -> None:
    sentence = gateways.refused(store=f"sqlite:///{tmp_path}/missing/store.db")
    assert f"{tmp_path}/missing does not exist" in sentence
    assert not (tmp_path / "missing").exists()


def test_a_read_only_file_as_an_unprivileged_user(public: Path) -> None:
    with gateways_in(public) as gateways:
        gateways.file.touch()
        gateways.file.chmod(0o444)
        sentence = gateways.refused(program=(sys.executable, "-c", AS_NOBODY))
        assert f"{gateways.file} is read-only for this user" in sentence
        gateways.file.chmod(0o666)
        gateways.start(program=(sys.executable, "-c", AS_NOBODY))


def test_a_taken_port(gateways: Gateways) -> None:
    for flag in ("--listen", "--http"):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            sentence = gateways.refused(flag, f"127.0.0.1:{port}")
            assert f"{flag} 127.0.0.1:{port}" in sentence
            assert "taken" in sentence


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("192.0.2.1:7400", "not an address of this machine"),
        (".:7400", "no host name"),
        ("..foo:7400", "no host name"),
        ("a" * 70 + ":7400", "no host name"),
    ],
)
def test_an_address_that_is_none_here(gateways: Gateways, address: str, why: str) -> None:
    for flag in ("--listen", "--http"):
        sentence = gateways.refused(flag, address)
        assert f"{flag} {address} cannot be had: " in sentence
        assert why in sentence


def test_interrupted_while_it_waits_for_its_store(gateways: Gateways) -> None:
    waiting = gateways.begin(store="postgres://nobody@127.0.0.1:1/none")
    waiting.await_line("store not available, trying again", 10)
    waiting.process.send_signal(signal.SIGINT)
    assert waiting.wait() == 130
    assert waiting.unreadable == ["incumbent-server: interrupted before it served"]
    waiting.unreadable.clear()


def test_a_port_taken_by_another_gateway(gateways: Gateways) -> None:
    first = gateways.start()
    sentence = gateways.refused("--listen", first.grpc)
    assert first.grpc in sentence
    assert gateways.refused("--http", first.http.removeprefix("http://"))


def test_another_mechanism_in_the_namespace(gateways: Gateways) -> None:
    gateways.start().kill()
    with closing(sqlite3.connect(gateways.file, isolation_level=None)) as db:
        db.execute("UPDATE incumbent_namespace SET mechanism = 'abacus', layout = 7")
    sentence = gateways.refused()
    for word in ("'abacus'", "layout 7", "'sqlite lease rows'", "layout 1"):
        assert word in sentence
    gateways.start("--namespace", "another")


@pytest.mark.parametrize("ttl", ["999ms", "3601s"])
def test_a_backend_ttl_outside_the_limits(gateways: Gateways, ttl: str) -> None:
    sentence = gateways.refused("--backend-ttl", ttl)
    assert "--backend-ttl must be 1s to 1h for sqlite" in sentence
    assert not gateways.file.exists()


def test_an_unknown_scheme_names_the_known_ones(gateways: Gateways) -> None:
    sentence = gateways.refused(store="oracle://scott:tiger@db/elections")
    assert "oracle" in sentence
    assert "memory" in sentence
    with socket.create_server(("127.0.0.1", 0)) as taken:  # settings are looked at first
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert (
            gateways.refused("--listen", address, store="oracle://scott:tiger@db/elections")
            == sentence
        )
    assert "sqlite" in sentence
    assert "tiger" not in sentence


@pytest.mark.parametrize(
    "store",
    [
        "sqlite://user:tiger@/elections.db",
        "memory://user:tiger@host",
        "postgres://scott:tiger@127.0.0.1:1/elections?x=\n",
    ],
)
def test_no_password_is_told(gateways: Gateways, store: str) -> None:
    assert "tiger" not in gateways.refused(store=store)
    variable = gateways.refused(
        "--max-streams", "many", store="memory://", environ={"INCUMBENT_HTTP": "tiger://x"}
    )
    assert "--max-streams must be" in variable


def test_every_fault_of_the_settings_is_told_at_once(gateways: Gateways) -> None:
    sentence = gateways.refused("--drain", "-1s", "--max-streams", "0", "--namespace", "a/b")
    for flag in ("--drain must be", "--max-streams must be", "--namespace must be"):
        assert flag in sentence


async def test_serving_means_ready(gateways: Gateways, streams: Streams) -> None:
    """Who reads the line may enter at once."""
    gateway = gateways.begin()
    line = await gateway.line("serving", 30)
    stream = await streams.by_hand(line["grpc"], an_election())
    assert await stream.leads() == 1


async def test_settings_from_the_environment(gateways: Gateways, streams: Streams) -> None:
    gateway = gateways.start(environ={"INCUMBENT_NAMESPACE": "elsewhere"})
    await (await streams.by_hand(gateway.grpc, an_election())).leads()
    with closing(sqlite3.connect(gateways.file)) as db:
        assert db.execute("SELECT name FROM incumbent_namespace").fetchall() == [("elsewhere",)]


def test_a_variable_that_is_no_setting_is_warned_of_without_its_value(gateways: Gateways) -> None:
    environ = {"INCUMBENT_BACKEND_TLL": "tiger", "INCUMBENT_TOKEN": "7", "INCUMBENT_SDK_X": "y"}
    gateway = gateways.start(environ=environ)
    (warning,) = [line for line in gateway.lines if line["level"] == "warning"]
    assert warning["event"] == "unknown variables"
    assert warning["variables"] == "INCUMBENT_BACKEND_TLL (INCUMBENT_BACKEND_TTL?)"
    assert "tiger" not in gateway.output
