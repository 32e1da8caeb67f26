"""The verbs on a real PostgreSQL where several sessions meet on one row."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incumbent_backends.api import Claim, Unavailable
from incumbent_backends.conformance import FakeClock
from incumbent_backends.postgres_lease import PostgresLease
from incumbent_backends.postgres_rows import rows
from tests.integration.postgres_store import build, sql, transaction, waits_for_lock
from tests.integration.verbs import SECOND, lead, move, watching
from tests.servers import shared

STORE = "postgres"


@pytest.fixture
async def backend(url: str, namespace: str) -> AsyncIterator[PostgresLease]:
    async with build(url, namespace) as opened:
        yield opened


def row_of(session: str) -> str:
    return f"SELECT 1 FROM incumbent_session WHERE id = '{session}' FOR UPDATE"


async def test_a_renewal_first_saves_the_session(
    url: str, namespace: str, backend: PostgresLease
) -> None:
    clock = FakeClock()
    term = await lead(backend)
    async with build(url, namespace, clock=clock) as other, watching(other) as watch:
        with transaction(url, row_of(backend.session)) as held:
            renewal = asyncio.create_task(backend.renew([Claim("e", term.token)]))
            await waits_for_lock(url)
            clock.advance(16)  # the other one would end it now, and finds it held
            await asyncio.sleep(0.6)
            held.commit()
            assert (await renewal).survivors == {Claim("e", term.token)}
        await asyncio.sleep(0.6)
        assert (await other.read("e")).term == term
        clock.advance(16)
        await watch.until("e", None, seconds=2)


async def test_a_take_over_first_leaves_the_renewal_nothing(
    url: str, backend: PostgresLease
) -> None:
    term, session = await lead(backend), backend.session
    with psycopg.connect(url) as killer:
        killer.execute("DELETE FROM incumbent_session WHERE id = %s", (session,))
        renewal = asyncio.create_task(backend.renew([Claim("e", term.token)]))
        await waits_for_lock(url)
        killer.commit()
    assert (await renewal).survivors == frozenset()
    assert backend.session != session
    assert (await lead(backend)).token > term.token


async def test_a_win_and_the_end_of_its_session_exclude_each_other(
    url: str, backend: PostgresLease
) -> None:
    """The bid waits for whoever deletes the session, and then wins nothing."""
    with psycopg.connect(url) as killer:
        killer.execute("DELETE FROM incumbent_session WHERE id = %s", (backend.session,))
        bid = asyncio.create_task(lead(backend))
        await waits_for_lock(url)
        killer.commit()
    with pytest.raises(Unavailable, match="session"):
        await bid
    assert (await backend.read("e")).term is None


async def test_a_move_waits_for_the_end_of_the_session_that_it_leaves(
    url: str, namespace: str, backend: PostgresLease
) -> None:
    async with build(url, namespace) as other:
        term = await lead(backend)
        with psycopg.connect(url) as killer:
            killer.execute("DELETE FROM incumbent_session WHERE id = %s", (backend.session,))
            moving = asyncio.create_task(move(other, term))
            await waits_for_lock(url)
            killer.commit()
        assert (await moving).term is None  # nothing that has ended is revived


async def test_tokens_are_drawn_after_the_row_is_held(
    url: str, namespace: str, backend: PostgresLease
) -> None:
    """Who waits for the election's row has no token yet, so a later winner's is higher."""
    await backend.release(await lead(backend))
    row = f"SELECT 1 FROM incumbent_term WHERE namespace = '{namespace}' FOR UPDATE"
    async with build(url, namespace) as other:
        with transaction(url, row) as held:
            waiting = asyncio.create_task(lead(backend))
            await waits_for_lock(url)
            elsewhere = await lead(other, "elsewhere")
            held.commit()
        assert (await waiting).token > elsewhere.token


async def test_who_waited_for_a_row_that_was_won_has_lost(
    url: str, namespace: str, backend: PostgresLease
) -> None:
    await backend.release(await lead(backend))
    async with build(url, namespace) as other:
        row = f"SELECT 1 FROM incumbent_term WHERE namespace = '{namespace}' FOR UPDATE"
        with transaction(url, row) as held:
            bids = [
                asyncio.create_task(
                    by.acquire("e", holder=f"{n:064x}", attempt=1, candidate="", value=b"")
                )
                for n, by in enumerate([backend, other, backend, other])
            ]
            await waits_for_lock(url)
            held.commit()
        terms = {(await bid).term for bid in bids}
    assert len(terms) == 1


@pytest.mark.parametrize(
    "what",
    [
        "SELECT 1 FROM incumbent_term WHERE namespace = '{0}' FOR UPDATE",
        "SELECT 1 FROM incumbent_namespace WHERE name = '{0}' FOR UPDATE",
        "SELECT 1 FROM incumbent_session WHERE namespace = '{0}' FOR KEY SHARE",
    ],
    ids=["an election's row", "the counter", "a session, as a bid does"],
)
async def test_a_rivals_open_transaction_delays_no_renewal(
    url: str, namespace: str, backend: PostgresLease, what: str
) -> None:
    term = await lead(backend)
    await lead(backend, "unwanted")
    with transaction(url, what.format(namespace)):
        bid = asyncio.create_task(lead(backend, "new"))
        began = time.monotonic()
        for _ in range(3):
            renewal = await backend.renew([Claim("e", term.token), Claim("new", None)])
            assert Claim("e", term.token) in renewal.survivors
        assert time.monotonic() - began < 0.5
        bid.cancel()
        await asyncio.wait([bid])
    await backend.renew([Claim("e", term.token)])
    await backend.renew([Claim("e", term.token)])
    assert (await backend.read("unwanted")).term is None


async def test_a_losing_bid_writes_nothing(url: str, backend: PostgresLease) -> None:
    await lead(backend)
    ((before,),) = sql(url, "SELECT max(xmin::text::bigint) FROM incumbent_term")
    with transaction(url, "SELECT 1 FROM incumbent_term FOR UPDATE"):
        began = time.monotonic()
        await backend.acquire("e", holder="0" * 64, attempt=1, candidate="", value=b"")
        assert time.monotonic() - began < 0.5  # and it waits for nobody
    assert sql(url, "SELECT max(xmin::text::bigint) FROM incumbent_term") == [(before,)]


async def test_an_end_that_lands_late_ends_nothing_that_was_told_as_led(
    url: str, backend: PostgresLease
) -> None:
    """A renewal was cut off while it ended an orphan; meanwhile its holder came back."""
    bid: dict[str, Any] = {"holder": "a" * 64, "attempt": 1, "candidate": "c", "value": b""}
    term = (await backend.acquire("e", **bid)).term
    assert term is not None
    session = backend._session
    late = session._names(elections=["e"], tokens=[term.token], versions=[1])
    session.under_way.ending.add(Claim("e", term.token))
    assert (await backend.acquire("e", **bid)).term == term
    assert await backend._lanes.run(lambda db: rows(db, "end_terms", late)) == []
    assert (await backend.read("e")).term == term
    await backend.renew([])
    await backend.renew([])
    assert (await backend.read("e")).term is None


async def test_a_hundred_callers_delay_no_renewal(
    url: str, namespace: str, backend: PostgresLease
) -> None:
    term = await lead(backend)
    counter = f"SELECT 1 FROM incumbent_namespace WHERE name = '{namespace}' FOR UPDATE"
    with transaction(url, counter) as held:
        callers = [asyncio.create_task(lead(backend, f"new/{n}")) for n in range(100)]
        await waits_for_lock(url)
        for _ in range(5):
            began = time.monotonic()
            keep = [Claim("e", term.token), *(Claim(f"new/{n}", None) for n in range(100))]
            assert (await backend.renew(keep)).survivors >= {Claim("e", term.token)}
            assert time.monotonic() - began < 0.3
        held.commit()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert all(isinstance(answer, Unavailable) or answer.token for answer in answers)  # type: ignore[union-attr]
    used = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'incumbent-server'"
    assert sql(url, used)[0][0] <= 10


WORDS = st.text("Az09._-", min_size=1, max_size=63).filter(lambda word: word not in (".", ".."))
ELECTIONS = st.lists(WORDS, min_size=1, max_size=3).map("/".join)
ODD = st.sampled_from(
    ["'; DROP TABLE incumbent_term; --", "%s", "%(namespace)s", "\\", "$1", '"', "{}"]
)
LABELS = ODD | st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=128)


@settings(max_examples=25, deadline=None)
@given(election=ELECTIONS, candidate=LABELS, value=st.binary(max_size=64))
def test_every_name_label_and_value_comes_back(election: str, candidate: str, value: bytes) -> None:
    url = shared(STORE).url()

    async def steps() -> None:
        async with build(url, "adversarial", backend_ttl=SECOND) as backend:
            term = await lead(backend, election, candidate=candidate, value=value)
            assert (term.election, term.candidate, term.value) == (election, candidate, value)
            assert (await backend.read(election)).term == term
            async with watching(backend) as watch:
                assert watch.first == {election: term}
            await backend.release(term)

    asyncio.run(steps())
