"""Gateways whose PostgreSQL goes dark: what is lost on the way is lost without a word."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from grpc import StatusCode

from tests.clients import Streams, an_election
from tests.cuts import SLACK, TTL, Cut, cut_off, its_client_moves
from tests.darkness import Place, place
from tests.e2e.test_two_gateways import assert_not_at_once
from tests.figures import Figures
from tests.integration.postgres_store import scratch_database, sql, transaction, waits_for_lock
from tests.mechanisms import LOCKS, ROWS, Mechanism
from tests.servers import Postgres, postgres


@pytest.fixture(scope="module")
def somewhere() -> Iterator[Place]:
    with place() as somewhere:
        yield somewhere


@pytest.fixture(scope="module")
def server(somewhere: Place) -> Iterator[Postgres]:
    with postgres(listen_addresses=f"127.0.0.1,{somewhere.here}") as server:
        yield server


@pytest.fixture
def mechanism() -> Mechanism:
    return ROWS


@pytest.fixture
def cut(mechanism: Mechanism, somewhere: Place, server: Postgres, tmp_path: Path) -> Iterator[Cut]:
    with scratch_database(server.url()) as name:
        url = server.url(database=name)
        with cut_off(somewhere, server.port, url, tmp_path, mechanism.url) as cut:
            yield cut


@pytest.mark.parametrize("lost", ["both ways", "requests", "answers"])
async def test_a_dark_store_whose_client_moves(
    cut: Cut, streams: Streams, figures: Figures, lost: str
) -> None:
    """Fault 8."""
    await its_client_moves(cut, streams, figures, lost)


@asynccontextmanager
async def under_way(cut: Cut, streams: Streams, what: str) -> AsyncIterator[None]:
    """Darkness falls in this block, on what is under way between the dark gateway and its store."""
    if what != "a bid":
        yield
        return
    with transaction(cut.url, "SELECT 1 FROM incumbent_namespace FOR UPDATE") as counter:
        await streams.candidate(cut.dark.grpc, an_election())
        await waits_for_lock(cut.url)
        yield
        counter.commit()  # and the store answers into the dark


async def ended(cut: Cut, mechanism: Mechanism, session: str) -> float:
    """Wait until the store has ended a session; return when it had."""
    with psycopg.connect(cut.url, autocommit=True) as db:
        while (session,) in db.execute(mechanism.sessions.encode()).fetchall():
            await asyncio.sleep(0.02)
    return time.monotonic()


@pytest.mark.parametrize(
    ("mechanism", "lost", "what"),
    [
        (ROWS, "both ways", "nothing"),
        (LOCKS, "both ways", "nothing"),
        (LOCKS, "both ways", "a bid"),
        (LOCKS, "requests", "nothing"),
        (LOCKS, "answers", "a renewal"),  # the next one, at the latest after a third of the ttl
    ],
    ids=lambda each: getattr(each, "name", each),
)
async def test_a_dark_store_whose_client_stays(
    cut: Cut, mechanism: Mechanism, streams: Streams, figures: Figures, lost: str, what: str
) -> None:
    """Fault 8: told LOST before its trust ends; then a successor, and late renewals are nothing.

    On advisory locks it is the server that ends the session of a gateway that it hears no more.
    """
    election, expires = an_election(), TTL + mechanism.expires
    leader = await streams.candidate(cut.dark.grpc, election, ttl=30)
    token = await leader.leads()
    ((session,),) = sql(cut.url, f"SELECT session FROM {mechanism.terms}")
    waiting = await streams.candidate(cut.bright.grpc, election, ttl=30)
    await waiting.waits()
    async with under_way(cut, streams, what):
        began = cut.darken(lost=lost)
    ending = asyncio.create_task(ended(cut, mechanism, session))
    assert await leader.lost(TTL + SLACK) == "BACKEND_LOST"
    assert not leader.believes()
    later = await waiting.leads(expires + SLACK)
    took = time.monotonic() - began
    case = f"{mechanism.name}, store dark ({lost}, {what} under way), backend ttl {TTL:.0f} s"
    figures(f"{case}: session ended", await ending - began, expires)
    figures(f"{case}: a successor", took, expires)
    assert took < expires + SLACK
    assert later > token
    assert_not_at_once(leader, waiting)
    refused = await streams.by_hand(cut.dark.grpc, an_election())
    told = await refused.end()
    assert (told.code, told.reason) == (StatusCode.UNAVAILABLE, "BACKEND_UNAVAILABLE")
    cut.place.lighten()
    lit = time.monotonic()
    await asyncio.to_thread(cut.dark.serving)
    figures("store lit again until /ready", time.monotonic() - lit)
    assert (await waiting.answered()).term.token == later
    new = await streams.candidate(cut.dark.grpc, an_election())
    assert await new.leads() > later
