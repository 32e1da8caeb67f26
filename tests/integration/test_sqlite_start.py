"""Opening a SQLite store: what is accepted, and one sentence for each thing that is not."""

import asyncio
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from incumbent_backends import sqlite_file
from incumbent_backends.api import Options, Rejected, Unavailable
from incumbent_backends.conformance import FakeClock
from incumbent_backends.sqlite import Sqlite
from incumbent_backends.sqlite_file import NETWORK, filesystem_of
from tests.integration.sqlite_store import build, enter_unprivileged, locked, sql
from tests.integration.verbs import SECOND, lead


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user reaches, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="incumbent-"))
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


async def refusal(path: Path, namespace: str = "tests") -> str:
    with pytest.raises(Rejected) as caught:
        await build(path, namespace=namespace).__aenter__()
    text = str(caught.value)
    assert "\n" not in text
    assert not any(word in text for word in ("SELECT", "INSERT", "UPDATE incumbent", "PRAGMA"))
    return text


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:////folder/",
        "sqlite://host/file.db",
        "sqlite://user:secret@/file.db",
        "sqlite:///file.db?mode=ro",
        "sqlite:///file.db?",
        "sqlite:///file.db#here",
        "sqlite:///a%00b",
        "sqlite:///:memory:",
        "postgres:///file.db",
        "sqlite://[::1",
    ],
)
def test_a_url_that_names_no_file_is_refused_offline(url: str) -> None:
    with pytest.raises(Rejected) as caught:
        Sqlite(url, Options("tests", SECOND, FakeClock()))
    assert "secret" not in str(caught.value)


async def test_absolute_relative_and_quoted_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = Options("tests", SECOND, FakeClock())
    for url, name in [
        (f"sqlite:///{tmp_path}/absolute.db", "absolute.db"),
        ("sqlite:///relative.db", "relative.db"),
        ("sqlite:///with%20space%3F.db", "with space?.db"),
    ]:
        async with Sqlite(url, options):
            assert (tmp_path / name).is_file()


async def test_a_relative_path_stays_the_same_file_after_chdir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    async with Sqlite("sqlite:///store.db", Options("tests", SECOND, FakeClock())) as backend:
        monkeypatch.chdir(elsewhere)
        await backend.read("e")  # the reader's connection is made only now
        await lead(backend)
    assert list(elsewhere.iterdir()) == []


async def test_a_missing_folder_is_named_and_not_made(tmp_path: Path) -> None:
    folder = tmp_path / "missing"
    assert str(folder) in await refusal(folder / "store.db")
    assert not folder.exists()


async def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    assert "is a folder" in await refusal(tmp_path)


async def test_something_that_is_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "regular file" in await refusal(tmp_path / "pipe")


@pytest.mark.parametrize("content", [b"x", b"no database, but long enough to be one " * 100])
async def test_a_file_that_is_no_database_is_refused_and_kept(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "letter.txt"
    path.write_bytes(content)
    assert "is not a SQLite database" in await refusal(path)
    assert path.read_bytes() == content


def test_a_read_only_file_as_an_unprivileged_user(public: Path) -> None:
    path = public / "store.db"
    path.touch()
    path.chmod(0o666)
    assert enter_unprivileged(path) == "opened"
    path.chmod(0o444)
    told = enter_unprivileged(path)
    assert told == f"Rejected: {path} is read-only for this user; a gateway writes to it"


def test_a_read_only_folder_as_an_unprivileged_user(public: Path) -> None:
    folder = public / "locked"
    folder.mkdir()
    path = folder / "store.db"
    path.touch()
    path.chmod(0o666)
    folder.chmod(0o755 if os.getuid() == 0 else 0o555)
    told = enter_unprivileged(path)
    assert told.startswith(f"Rejected: the folder {folder} is read-only for this user")


def test_a_log_that_another_user_left_behind(public: Path) -> None:
    path = public / "store.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE theirs (x)")
        for file in public.iterdir():
            file.chmod(0o666 if file == path else 0o400)
        if os.getuid() == 0:  # otherwise the files are the user's own
            assert enter_unprivileged(path).startswith("Rejected: the database")


async def test_a_file_locked_by_another_program(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with build(path):
        pass
    with locked(path):
        began = time.monotonic()
        with pytest.raises(Unavailable, match="is locked by another program"):
            await build(path).__aenter__()
        assert 0.5 < time.monotonic() - began < 3
    async with build(path) as backend:
        await lead(backend)


async def test_a_file_locked_in_the_old_journal_mode(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    sql(path, "CREATE TABLE theirs (x)")
    with locked(path, "EXCLUSIVE"), pytest.raises(Unavailable, match="is locked"):
        await build(path).__aenter__()


async def test_sqlite_that_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    assert "3.35" in await refusal(tmp_path / "store.db")


MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:40 / /mnt rw - tmpfs tmpfs rw
31 30 0:41 / /mnt/my\\040share rw shared:1 - nfs4 server:/export rw
32 22 0:42 / /over rw - ext4 /dev/vdb rw
33 22 0:43 / /over rw - cifs //server/share rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/store.db", "ext4"),
        ("/mnt/store.db", "tmpfs"),
        ("/mnt/my share/deep/store.db", "nfs4"),
        ("/mnt/my shared.db", "tmpfs"),
        ("/over/store.db", "cifs"),
        ("/overt/store.db", "ext4"),
    ],
)
def test_the_file_system_under_a_path(path: str, kind: str) -> None:
    assert filesystem_of(Path(path), MOUNTS) == kind


def filesystem_here(path: Path) -> str:
    return filesystem_of(path.resolve(), Path("/proc/self/mountinfo").read_text("utf-8"))


async def test_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = filesystem_here(tmp_path)
    assert here not in NETWORK
    monkeypatch.setattr(sqlite_file, "NETWORK", frozenset({here}))
    text = await refusal(tmp_path / "store.db")
    assert f"network file system ({here})" in text
    await asyncio.to_thread(tmp_path.rmdir)  # nothing was made there


async def test_another_mechanism_or_layout_names_both(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with build(path):
        pass
    sql(path, "UPDATE incumbent_namespace SET mechanism = 'abacus', layout = 7")
    text = await refusal(path)
    for word in ("'abacus'", "layout 7", "'sqlite lease rows'", "layout 1"):
        assert word in text
    async with build(path, namespace="another"):
        pass


async def test_tables_of_another_shape_under_our_names(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    sql(path, "CREATE TABLE incumbent_term (x)")
    assert "incumbent_term" in await refusal(path)
    assert sql(path, "SELECT name FROM sqlite_master") == [("incumbent_term",)]


async def test_a_file_of_another_program_keeps_its_tables_and_its_mark(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    sql(path, "PRAGMA application_id = 77")
    sql(path, "CREATE TABLE theirs (x)")
    async with build(path) as backend:
        await lead(backend)
    assert sql(path, "PRAGMA application_id") == [(77,)]
    assert sql(path, "SELECT count(*) FROM theirs") == [(0,)]


async def test_a_new_file_carries_our_mark(tmp_path: Path) -> None:
    async with build(tmp_path / "store.db"):
        pass
    assert sql(tmp_path / "store.db", "PRAGMA application_id") == [(0x494E4342,)]
    assert sql(tmp_path / "store.db", "PRAGMA journal_mode") == [("wal",)]


def test_twelve_processes_open_a_new_file_at_once(public: Path) -> None:
    path = public / "store.db"

    async def all_at_once() -> list[str]:
        enter = [asyncio.to_thread(enter_unprivileged, path) for _ in range(12)]
        return await asyncio.gather(*enter)

    assert asyncio.run(all_at_once()) == ["opened"] * 12
    assert sql(path, "SELECT count(*) FROM incumbent_namespace") == [(1,)]
    assert sql(path, "SELECT count(*) FROM incumbent_session") == [(0,)]


async def test_a_namespace_whose_counter_was_deleted_does_not_start_anew(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with build(path) as backend:
        await lead(backend)
    sql(path, "DELETE FROM incumbent_namespace")
    assert "last_token" in await refusal(path)
    assert sql(path, "SELECT * FROM incumbent_namespace") == []


async def test_a_counter_lowered_by_hand_is_raised_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with build(path) as backend:
        terms = [await lead(backend, f"e{number}") for number in range(5)]
        sql(path, "UPDATE incumbent_namespace SET last_token = 1, last_version = 1")
    async with build(path) as backend:
        assert (await lead(backend, "new")).token > terms[-1].token


async def test_a_verb_before_or_after_the_block_is_unavailable(tmp_path: Path) -> None:
    backend = build(tmp_path / "store.db")
    with pytest.raises(Unavailable):
        await backend.read("e")
    async with backend:
        pass
    with pytest.raises(Unavailable):
        await backend.renew([])
    with pytest.raises(Unavailable):
        await anext(backend.watch())
    await backend.__aexit__(None, None, None)  # once more is harmless


async def test_leaving_a_locked_file_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    backend = await build(path).__aenter__()
    with locked(path):
        async with asyncio.timeout(3):
            await backend.__aexit__(None, None, None)
    assert sql(path, "SELECT count(*) FROM incumbent_session") == [(1,)]  # others end it


async def test_leaving_keeps_a_session_with_terms_and_ends_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with build(path) as keeper, build(path) as other:
        term = await lead(keeper)
        await other.release(await lead(other, "released"))
    assert sql(path, "SELECT id FROM incumbent_session") == [(keeper.session,)]
    async with build(path) as heir:
        assert (await heir.read("e")).term == term
