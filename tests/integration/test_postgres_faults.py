"""A PostgreSQL that breaks: connections, hints, whole servers; and hands in the tables."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from incumbent_backends import postgres_server
from incumbent_backends.api import Claim, Unavailable
from incumbent_backends.conformance import FakeClock
from incumbent_backends.postgres_lease import PostgresLease
from tests.integration.postgres_store import build, eventually, sql
from tests.integration.verbs import lead, watching
from tests.proxies import proxied
from tests.servers import Postgres, postgres, shared

STORE = "postgres"


@pytest.fixture(scope="module")
def url() -> str:
    return shared(STORE).url()


@pytest.fixture
def own() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture
def namespace() -> str:
    return f"faults-{secrets.token_hex(6)}"


@pytest.fixture
async def backend(url: str, namespace: str) -> AsyncIterator[PostgresLease]:
    async with build(url, namespace) as opened:
        yield opened


BY_HAND = {
    "the record": "DELETE FROM incumbent_term WHERE namespace = '{}'",
    "the session": "DELETE FROM incumbent_session WHERE namespace = '{}' AND id = '{}'",
    "only the link": "UPDATE incumbent_term SET session = NULL, version = version + 1"
    " WHERE namespace = '{}'",
}


@pytest.mark.parametrize("statement", BY_HAND.values(), ids=BY_HAND.keys())
async def test_a_hand_in_the_tables_is_told_within_a_second(
    url: str, namespace: str, backend: PostgresLease, statement: str
) -> None:
    async with build(url, namespace) as other, watching(other) as watch, watching(backend) as own:
        term = await lead(backend)
        for each in (watch, own):
            await each.until("e", term.token)
        sql(url, statement.format(namespace, backend.session))
        for each in (watch, own):
            await each.until("e", None, seconds=1)
        assert (await backend.renew([Claim("e", term.token)])).survivors == frozenset()
        again = await lead(backend)
        assert again.token > term.token
        await watch.until("e", again.token)


async def test_a_term_that_is_gone_before_the_next_look_is_told_as_gone(
    url: str, namespace: str, backend: PostgresLease
) -> None:
    async with watching(backend) as watch:
        for name in "abcdefgh":
            await lead(backend, name)
            sql(url, BY_HAND["the record"].format(namespace))
            await watch.until(name, None, seconds=1)


async def test_a_hint_is_told_well_before_the_slow_look(
    url: str, namespace: str, backend: PostgresLease
) -> None:
    async with build(url, namespace) as other, watching(other) as watch:
        waits = []
        for n in range(20):
            term = await lead(backend, f"e/{n}")
            began = time.monotonic()
            await watch.until(f"e/{n}", term.token)
            waits.append(time.monotonic() - began)
        assert sorted(waits)[len(waits) // 2] < 0.1


async def test_any_connection_that_is_terminated_is_made_anew(
    url: str, namespace: str, backend: PostgresLease
) -> None:
    term = await lead(backend)
    pids = "SELECT pid FROM pg_stat_activity WHERE application_name = 'incumbent-server'"
    for (pid,) in sql(url, pids):
        async with contextlib.AsyncExitStack() as stack:
            watch = await stack.enter_async_context(watching(backend))
            sql(url, f"SELECT pg_terminate_backend({pid})")
            renewed = await eventually(lambda: backend.renew([Claim("e", term.token)]), 2)
            assert renewed.survivors == {Claim("e", term.token)}
            assert (await eventually(lambda: backend.read("e"), 2)).term == term
            new = await eventually(lambda: lead(backend, "new"), 2)
            try:
                await watch.until("new", new.token, seconds=2)
            except Unavailable:  # it was the watch's own: another one tells all there is
                anew = await stack.enter_async_context(watching(backend))
                assert anew.first["new"] == new
            await backend.release(new)


async def test_a_store_that_falls_silent_is_given_up_and_comes_back(
    url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_server, "ANSWER", 0.5)
    address = shared(STORE).address
    async with (
        proxied(address) as proxy,
        build(url.replace(address, proxy.target), namespace) as backend,
    ):
        term = await lead(backend)
        keep = [Claim("e", term.token)]
        proxy.mute = True
        for verb in (backend.renew(keep), backend.read("e"), lead(backend, "new")):
            began = time.monotonic()
            with pytest.raises(Unavailable):
                await verb
            assert time.monotonic() - began < 2
        proxy.mute = False
        proxy.reset()  # what was kept back is lost, so these connections are of no more use
        assert (await eventually(lambda: backend.renew(keep))).survivors >= set(keep)
        assert (await eventually(lambda: backend.read("e"))).term == term


async def test_silent_sessions_end_and_vacant_elections_are_forgotten(
    url: str, namespace: str, backend: PostgresLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("incumbent_backends.postgres_watch.SWEEP", 0.2)
    clock = FakeClock()
    async with build(url, namespace, clock=clock) as witness, watching(witness) as watch:
        term = await lead(backend)
        await watch.until("e", term.token)
        await asyncio.sleep(0.5)
        clock.advance(15.2)
        await asyncio.sleep(0.5)
        assert (await witness.read("e")).term == term  # 15.3 are not over
        clock.advance(0.2)
        await watch.until("e", None, seconds=2)
        async with asyncio.timeout(5):
            while sql(url, "SELECT 1 FROM incumbent_term WHERE namespace = %s", namespace):
                await asyncio.sleep(0.05)
        assert (await lead(witness)).token > term.token
