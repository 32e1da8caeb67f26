"""Gateways on PostgreSQL's advisory locks: a term hangs on one connection, and who is told when."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from grpc import StatusCode, aio

from incumbent.v1 import election_service_pb2 as pb
from tests.clients import Streams, Told, a_credential, an_election, connected, seconds_of
from tests.figures import Figures
from tests.gateways import Gateways, gateways_in
from tests.integration.advisory_store import locks
from tests.poolers import pgbouncer
from tests.proxies import proxied
from tests.servers import Postgres
from tests.stores import database

STORE = "postgres"
SLACK = 2.0  # seconds more than the bound, for a busy machine
KILL = "SELECT pg_terminate_backend(pid) FROM incumbent_lock"


@pytest.fixture
def url() -> Iterator[str]:
    with database() as url:
        yield url


@pytest.fixture
def gateways(url: str, tmp_path: Path) -> Iterator[Gateways]:
    with gateways_in(tmp_path, locks(url)) as gateways:
        yield gateways


async def test_a_terminated_session_is_lost_within_a_second(
    url: str, gateways: Gateways, streams: Streams, figures: Figures
) -> None:
    """Fault 11, wolverine#2602."""
    gateway = await gateways.launch("--backend-ttl", "15s")
    election = an_election()
    leader = await streams.candidate(gateway.grpc, election, ttl=15)
    bare = await streams.by_hand(gateway.grpc, an_election())
    token = await leader.leads()
    await bare.leads()
    began = time.monotonic()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(KILL.encode())
    for each in (leader, bare):
        assert await each.lost() == "BACKEND_LOST"
        figures("advisory: session terminated to LOST", time.monotonic() - began, 1.0)
        assert time.monotonic() - began < 1.0 + SLACK
    assert not leader.believes()
    again = await streams.candidate(gateway.grpc, election)
    assert await again.leads() > token


async def test_the_waiting_of_another_gateway_succeeds_a_terminated_session(
    url: str, gateways: Gateways, streams: Streams, figures: Figures
) -> None:
    one, two = await gateways.pair()
    election = an_election()
    leader = await streams.candidate(one.grpc, election, ttl=15)
    token = await leader.leads()
    waiting = await streams.candidate(two.grpc, election)
    await waiting.waits()
    with psycopg.connect(url, autocommit=True) as db:
        holder = "SELECT pid FROM incumbent_lock WHERE lock_key IS NOT NULL"
        began = time.monotonic()
        db.execute(f"SELECT pg_terminate_backend(pid) FROM ({holder}) AS holder".encode())
    assert await waiting.leads() > token
    figures("advisory: session terminated to a successor", time.monotonic() - began, 0.5)
    assert time.monotonic() - began < 0.5 + SLACK
    assert await leader.lost() == "BACKEND_LOST"
    assert time.monotonic() - began < 1 + SLACK


async def test_kill_9_of_a_gateway(gateways: Gateways, streams: Streams, figures: Figures) -> None:
    """Fault 5: its connection dies with it, so a successor leads at once; a resume is EXPIRED."""
    one, two = await gateways.pair()
    election, credential = an_election(), a_credential()
    leader = await streams.candidate(one.grpc, election, credential=credential, ttl=15)
    token = await leader.leads()
    waiting = await streams.candidate(two.grpc, election)
    await waiting.waits()
    began = time.monotonic()
    one.kill()
    later = await waiting.leads()
    figures("advisory: gateway killed with -9 to a successor", time.monotonic() - began, 0.5)
    assert time.monotonic() - began < 0.5 + SLACK
    assert later > token
    again = await streams.by_hand(
        two.grpc, election, credential=credential, attempt=2, resume_token=token
    )
    assert await again.lost() == "EXPIRED"
    assert (await waiting.answered()).term.token == later


async def test_a_term_resumes_on_its_own_gateway_alone(
    gateways: Gateways, streams: Streams
) -> None:
    """Faults 4 and 21: elsewhere it cannot be had, until its gateway has freed it."""
    one, two = await gateways.pair()
    election, credential = an_election(), a_credential()
    leader = await streams.candidate(one.grpc, election, credential=credential, ttl=2)
    token = await leader.leads()
    await leader.cut()
    how = {"credential": credential, "ttl": 2, "resume_token": token}
    elsewhere = await streams.by_hand(two.grpc, election, attempt=2, **how)
    told = await elsewhere.end()
    assert (told.code, told.reason) == (StatusCode.UNAVAILABLE, "HELD_BY_OTHER_GATEWAY")
    back = await streams.candidate(one.grpc, election, attempt=3, **how)
    assert await back.leads() == token
    await back.cut()
    began = time.monotonic()
    waiting = await streams.candidate(two.grpc, election)
    assert await waiting.leads() > token
    assert time.monotonic() - began < 2 + 0.25 + SLACK
    assert back.believes_until <= waiting.believed_from
    too_late = await streams.by_hand(two.grpc, election, attempt=4, **how)
    assert await too_late.lost() == "EXPIRED"


async def test_a_resign_reaches_no_other_gateway(gateways: Gateways, streams: Streams) -> None:
    one, two = await gateways.pair()
    election, credential = an_election(), a_credential()
    leader = await streams.candidate(one.grpc, election, credential=credential)
    token = await leader.leads()
    async with connected(two.grpc) as calls:
        with pytest.raises(aio.AioRpcError) as caught:
            await calls.Resign(pb.ResignRequest(election=election, credential=credential))
    told = Told.of(caught.value)
    assert (told.code, told.reason) == (StatusCode.FAILED_PRECONDITION, "HELD_BY_OTHER_GATEWAY")
    assert (await leader.answered()).term.token == token
    async with connected(one.grpc) as calls:
        await calls.Resign(pb.ResignRequest(election=election, credential=credential))
    assert await leader.lost() == "RESIGNED"


async def test_a_drain_hands_over(gateways: Gateways, streams: Streams, figures: Figures) -> None:
    """Fault 7: LOST is told first, and the term is released once its client has resigned."""
    one, two = await gateways.pair()
    election = an_election()
    leader = await streams.candidate(one.grpc, election)
    token = await leader.leads()
    waiting = await streams.candidate(two.grpc, election)
    await waiting.waits()
    began = time.monotonic()
    one.terminate()
    last = await leader.state(pb.STATE_LOST)
    assert pb.State.Name(last.state) == "STATE_LOST"
    assert not leader.believes()
    await leader.resign()
    assert await waiting.leads() > token
    figures("advisory: SIGTERM until a successor leads elsewhere", time.monotonic() - began)
    assert await one.ended() == 0


async def test_a_drain_of_a_client_that_stays(gateways: Gateways, streams: Streams) -> None:
    """It is told LOST and does not leave; its silence ends the term."""
    one, two = await gateways.pair()
    election = an_election()
    leader = await streams.candidate(one.grpc, election, ttl=1)
    token = await leader.leads()
    waiting = await streams.candidate(two.grpc, election)
    await waiting.waits()
    one.terminate()
    await leader.state(pb.STATE_LOST)
    assert await waiting.leads(1 + 0.25 + SLACK) > token
    assert leader.believes_until <= waiting.believed_from
    assert await one.ended() == 0


async def test_a_restart_of_the_server_is_noticed_within_a_second(
    server: Postgres, tmp_path: Path, streams: Streams, figures: Figures
) -> None:
    """Faults 9 and 10: the term ends with the server, and the next token is higher."""
    with gateways_in(tmp_path, locks(server.url())) as gateways:
        gateway = await gateways.launch("--backend-ttl", "15s")
        election = an_election()
        leader = await streams.candidate(gateway.grpc, election, ttl=15)
        token = await leader.leads()
        await asyncio.to_thread(server.kill)
        refused = await streams.by_hand(gateway.grpc, an_election(), no_wait=True)
        told = await refused.end()
        assert told.reason == "BACKEND_UNAVAILABLE"
        assert not any(word in repr(told) for word in (server.password, str(server.port), "127."))
        await asyncio.sleep(2)
        await asyncio.to_thread(server.start)
        began = time.monotonic()
        assert await leader.lost() == "BACKEND_LOST"
        figures("advisory: server back to LOST", time.monotonic() - began, 1.0)
        assert time.monotonic() - began < 1 + SLACK
        again = await streams.candidate(gateway.grpc, election, ttl=15)
        assert await again.leads() > token
        assert server.password not in gateway.output


async def test_a_gateway_cut_off_from_the_store(
    url: str, gateways: Gateways, streams: Streams, figures: Figures
) -> None:
    """Fault 8: the server frees the locks; the leader believes no longer than its own ttl."""
    address = psycopg.conninfo.conninfo_to_dict(url.replace("postgres:", "postgresql:"))
    target = f"{address['host']}:{address['port']}"
    async with proxied(target) as proxy:
        one = await gateways.launch(store=gateways.store.replace(target, proxy.target))
        two = await gateways.launch()
        election = an_election()
        leader = await streams.candidate(one.grpc, election, ttl=1)
        token = await leader.leads()
        waiting = await streams.candidate(two.grpc, election)
        await waiting.waits()
        began = time.monotonic()
        proxy.refuses = True
        proxy.reset()
        assert await waiting.leads() > token
        figures("advisory: gateway cut off to a successor", time.monotonic() - began, 0.5)
        assert time.monotonic() - began < 0.5 + SLACK
        await asyncio.sleep(1 + SLACK)
        assert not leader.believes()
        assert leader.ending is None  # nobody could say yet what became of its term
        figures(
            "advisory: former leader believed on, ttl 1 s",
            max(0.0, leader.believes_until - waiting.believed_from),
            1.0,
        )
        proxy.refuses = False
        assert await leader.lost() == "BACKEND_LOST"


async def test_the_store_is_described_as_it_is(gateways: Gateways) -> None:
    gateway = await gateways.launch()
    async with connected(gateway.grpc) as calls:
        backend = await calls.GetBackend(pb.GetBackendRequest())
    assert (backend.kind, backend.expiry) == ("postgres+advisory", pb.EXPIRY_SESSION)
    assert not backend.survives_gateway
    assert not backend.survives_restart
    assert 15 < seconds_of(backend.failover_gateway_crash) <= 15.5
    assert any("cannot move" in note for note in backend.notes)
    assert all(note.endswith(".") for note in backend.notes)


def test_a_pooler_ends_the_start(server: Postgres, gateways: Gateways) -> None:
    with pgbouncer(server) as pooler:
        address = pooler.address
        store = locks(server.url().replace(server.address, address))
        sentence = gateways.refused(store=store)
    assert "a pooler stands before this PostgreSQL" in sentence
    assert server.password not in sentence


def test_the_other_mechanism_ends_the_start(url: str, gateways: Gateways) -> None:
    """Fault 22."""
    gateways.start()
    sentence = gateways.refused(store=url)
    assert "'postgres lease rows'" in sentence
    assert "'postgres advisory locks'" in sentence
