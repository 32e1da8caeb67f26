"""Gateways whose PostgreSQL goes dark: what is lost on the way is lost without a word."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from grpc import StatusCode

from incumbent.v1 import election_service_pb2 as pb
from tests.clients import Streams, a_credential, an_election
from tests.darkness import Place, place
from tests.e2e.test_two_gateways import assert_not_at_once
from tests.figures import Figures
from tests.gateways import PROGRAM, Gateway, gateways_in
from tests.integration.postgres_store import scratch_database, sql, transaction, waits_for_lock
from tests.mechanisms import LOCKS, ROWS, Mechanism
from tests.servers import Postgres, postgres

TTL = 3.0  # seconds, the backend ttl
SLACK = 2.0  # seconds more than the bound, for a busy machine


class Cut(NamedTuple):
    """A gateway that can be cut off from its store but not from its clients, and one that stays."""

    place: Place
    port: int  # the server's
    url: str  # of its database
    dark: Gateway
    bright: Gateway

    def darken(self, **ways: bool) -> float:
        self.place.darken(self.port, **ways)
        return time.monotonic()


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
def cut(
    mechanism: Mechanism,
    somewhere: Place,
    server: Postgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Cut]:
    monkeypatch.setenv("no_proxy", f"127.0.0.1,localhost,{somewhere.there}")
    flags, there = ["--backend-ttl", f"{TTL}s"], f"{somewhere.there}:0"
    with scratch_database(server.url()) as name, gateways_in(tmp_path) as gateways:
        url = server.url(database=name)
        dark = gateways.begin(
            *flags, "--listen", there, "--http", there,
            store=mechanism.url(url.replace("127.0.0.1", somewhere.here)),
            program=somewhere.command(str(PROGRAM)),
        )  # fmt: skip
        bright = gateways.start(*flags, store=mechanism.url(url))
        try:
            yield Cut(somewhere, server.port, url, dark.serving(), bright)
        finally:
            somewhere.lighten()


@pytest.mark.parametrize("lost", ["both ways", "requests", "answers"])
async def test_a_dark_store_whose_client_moves(
    cut: Cut, streams: Streams, figures: Figures, lost: str
) -> None:
    """Fault 8: it is told JEOPARDY, resumes elsewhere without a gap, and keeps its token."""
    election, credential = an_election(), a_credential()
    leader = await streams.candidate(cut.dark.grpc, election, credential=credential, ttl=30)
    token = await leader.leads()
    began = cut.darken(requests=lost != "answers", answers=lost != "requests")
    await leader.state(pb.STATE_JEOPARDY, TTL)
    again = await streams.candidate(
        cut.bright.grpc, election, credential=credential, ttl=30, attempt=2, resume_token=token
    )
    assert await again.leads() == token
    figures(f"store dark ({lost}): led on elsewhere", time.monotonic() - began, TTL)
    assert again.believed_from <= leader.believes_until, "there was no gap"
    assert await leader.lost(TTL * 1.02 + 0.5 + SLACK) in {"BACKEND_LOST", "SUPERSEDED"}
    await again.until(lambda response: response.sequence >= 4)
    cut.place.lighten()
    await asyncio.to_thread(cut.dark.serving)
    assert (await again.answered()).term.token == token  # what was held back has ended nothing
    back = await streams.candidate(
        cut.dark.grpc, election, credential=credential, attempt=3, resume_token=token
    )
    assert await back.leads() == token


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
        began = cut.darken(requests=lost != "answers", answers=lost != "requests")
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
