"""A SQLite store under harm: locks, full disks, kills."""

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from incumbent_backends.api import BackendError, Claim, Unavailable
from incumbent_backends.sqlite import Sqlite
from tests import disks
from tests.integration import sqlite_writer
from tests.integration.sqlite_store import build, locked, sql
from tests.integration.verbs import lead, watching


async def test_another_program_locks_the_file_for_three_seconds(path: Path) -> None:
    async with build(path) as backend, build(path) as other, watching(backend) as watch:
        term = await lead(backend)
        keep = [Claim("e", term.token)]
        with locked(path):
            unlocked = time.monotonic() + 3
            while time.monotonic() < unlocked:
                began = time.monotonic()
                verbs = [lead(backend, f"new/{number}") for number in range(20)]
                verbs += [backend.release(term), backend.renew(keep)]  # type: ignore[list-item]
                for answer in await asyncio.gather(*verbs, return_exceptions=True):
                    assert isinstance(answer, Unavailable)
                    assert "is locked by another program" in str(answer)
                # all of them, though they wait in one queue
                assert time.monotonic() - began < 2.5
                assert (await other.read("e")).term == term
        assert (await backend.renew(keep)).survivors == frozenset(keep)
        after = await lead(other, "new/1")
        assert after.token > term.token
        await watch.until("new/1", after.token)


async def test_a_gateway_frozen_while_it_writes_stops_others_until_it_is_killed(
    path: Path,
) -> None:
    code = (
        "import os, signal, sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('BEGIN IMMEDIATE'); db.execute('UPDATE incumbent_namespace SET last_token=99');"
        "print('writing', flush=True); os.kill(os.getpid(), signal.SIGSTOP)"
    )
    async with build(path) as backend:
        term = await lead(backend)
        frozen = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, str(path), stdout=subprocess.PIPE
        )
        try:
            assert frozen.stdout is not None
            assert await frozen.stdout.readline() == b"writing\n"
            with pytest.raises(Unavailable):
                await lead(backend, "new")
            assert (await backend.read("e")).term == term
        finally:
            frozen.kill()
            await frozen.wait()
        assert (await lead(backend, "new")).token == term.token + 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with disks.small_disk(tmp_path / "small") as disk:
        yield disk


async def test_a_full_disk_and_its_recovery(small_disk: Path) -> None:
    path = small_disk / "store.db"
    async with build(path) as backend, build(path) as other, watching(other) as watch:
        term = await lead(backend)
        keep = [Claim("e", term.token)]
        ballast = disks.fill(small_disk)
        os.truncate(ballast, ballast.stat().st_size - 65536)  # a few more still succeed
        acknowledged, refusal = await lead_until_refused(backend)
        assert isinstance(refusal, Unavailable)
        assert "disk is full" in str(refusal)
        assert acknowledged
        assert (await backend.read("e")).term == term
        ballast.unlink()
        keep += [Claim(f"new/{number}", None) for number in range(1000)]
        survivors = {claim.token for claim in (await backend.renew(keep)).survivors}
        assert survivors >= {term.token, *acknowledged}
        after = await lead(other, "after")
        assert after.token > max(acknowledged)
        await watch.until("after", after.token)
    assert sql(path, "PRAGMA integrity_check") == [("ok",)]


async def lead_until_refused(backend: Sqlite) -> tuple[list[int], BackendError]:
    won: list[int] = []
    try:
        while True:
            won.append((await lead(backend, f"new/{len(won)}", value=b"x" * 4096)).token)
    except BackendError as error:
        return won, error


async def test_a_disk_that_is_full_at_start(small_disk: Path) -> None:
    disks.fill(small_disk)
    with pytest.raises(BackendError, match="full"):
        await build(small_disk / "store.db").__aenter__()


async def test_a_store_that_turns_read_only(path: Path) -> None:
    async with build(path) as backend:
        term = await lead(backend)
        await only_reading(backend, on=True)
        for verb in (lead(backend, "new"), backend.renew([])):
            with pytest.raises(Unavailable, match="is read-only"):
                await verb
        assert (await backend.read("e")).term == term
        await only_reading(backend, on=False)
        assert (await backend.renew([Claim("e", term.token)])).survivors


async def only_reading(backend: Sqlite, *, on: bool) -> None:
    def switch(db: sqlite3.Connection) -> None:
        db.execute(f"PRAGMA query_only = {on:d}")

    await backend._writes.run(switch)


async def test_tables_dropped_while_in_use(path: Path) -> None:
    async with build(path) as backend:
        sql(path, "DROP VIEW incumbent_leaders")
        sql(path, "DROP TABLE incumbent_term")
        with pytest.raises(BackendError, match="not as Incumbent made them") as caught:
            await lead(backend)
        assert "SELECT" not in str(caught.value)
        with pytest.raises(Unavailable, match="not as Incumbent made them"):
            await anext(backend.watch())


@pytest.mark.slow
def test_twenty_kills_of_a_writer_beside_one_that_lives_on(path: Path, tmp_path: Path) -> None:
    """No token goes back or is granted twice, and nothing needs repair."""
    won: list[tuple[str, int]] = []
    with (tmp_path / "survivor").open("w+") as told, writer(path, told) as survivor:
        for _ in range(20):
            with writer(path) as victim:
                assert victim.stdout is not None
                first = [read_win(victim.stdout) for _ in range(random.randrange(1, 60))]
                victim.kill()
                rest = victim.stdout.read().splitlines(keepends=True)
            mine = first + [win for line in rest if (win := parse_win(line)) is not None]
            assert min(mine, key=token_of)[1] > max(map(token_of, won), default=0)
            won += mine
        assert survivor.poll() is None
        survivor.kill()
        survivor.wait()
        told.seek(0)
        theirs = [win for line in told if (win := parse_win(line)) is not None]
    assert theirs
    assert_rising(won)
    assert_rising(theirs)
    tokens = [token for _, token in won + theirs]
    assert len(tokens) == len(set(tokens))
    assert sql(path, "PRAGMA integrity_check") == [("ok",)]


@contextmanager
def writer(path: Path, stdout: IO[str] | int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, sqlite_writer.__file__, str(path)]
    with subprocess.Popen(command, stdout=stdout, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def token_of(win: tuple[str, int]) -> int:
    return win[1]


def parse_win(line: str) -> tuple[str, int] | None:
    """None: a line that the kill cut short."""
    words = line.split(" ")
    return (words[1], int(words[2])) if len(words) == 3 and line.endswith("\n") else None


def read_win(lines: IO[str]) -> tuple[str, int]:
    win = parse_win(lines.readline())
    assert win is not None, "the writer ended by itself"
    return win


def assert_rising(won: list[tuple[str, int]]) -> None:
    last: dict[str, int] = {}
    for election, token in won:
        assert token > last.get(election, 0)
        last[election] = token


async def test_the_terms_of_a_killed_process_end_within_two_ttls(path: Path) -> None:
    clock = sqlite_writer.Clock()
    async with build(path, clock=clock) as heir, watching(heir) as watch:
        with writer(path) as victim:
            assert victim.stdout is not None
            for _ in range(100):
                read_win(victim.stdout)
            victim.kill()
        led = sql(path, "SELECT election FROM incumbent_leaders")
        assert led
        # seen to be silent for one ttl × 1.02; the rest is what a busy machine may add
        for (election,) in led:
            term = (await heir.read(election)).term
            if term is not None:
                await watch.until(election, None, seconds=2)
        # On a busy machine the victim had begun a second session, on which nothing hangs.
        async with asyncio.timeout(5):
            while sql(path, "SELECT id FROM incumbent_session") != [(heir.session,)]:
                await asyncio.sleep(0.02)
