"""Gateways on PostgreSQL: what holds of two gateways on a file, and what only a server can do."""

import asyncio
import secrets
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from incumbent.v1 import election_service_pb2 as pb
from tests.clients import Streams, a_credential, an_election
from tests.e2e import test_two_gateways
from tests.figures import Figures
from tests.gateways import Gateways
from tests.mechanisms import Mechanism, both
from tests.servers import Postgres, shared

STORE = "postgres"

# The same tests as on a file; they take `gateways` from here.
test_both_serve_the_same_elections = test_two_gateways.test_both_serve_the_same_elections
test_namespaces_are_worlds_of_their_own = test_two_gateways.test_namespaces_are_worlds_of_their_own
test_drain_with_another_gateway = test_two_gateways.test_drain_with_another_gateway
test_a_rolling_restart = test_two_gateways.test_a_rolling_restart
test_kill_9_of_a_gateway = test_two_gateways.test_kill_9_of_a_gateway
test_kill_9_whose_leader_does_not_come_back = (
    test_two_gateways.test_kill_9_of_a_gateway_whose_leader_does_not_come_back
)
test_a_frozen_gateway_whose_client_moves = (
    test_two_gateways.test_a_frozen_gateway_whose_client_moves
)
test_a_frozen_gateway_whose_client_stays = (
    test_two_gateways.test_a_frozen_gateway_whose_client_stays
)


def on(url: str, folder: Path) -> Gateways:
    gateways = Gateways(folder)
    gateways.store = url
    return gateways


@contextmanager
def database() -> Iterator[str]:
    """The URL of a database of this test's own."""
    url, name = shared(STORE).url(), f"e2e_{secrets.token_hex(6)}"
    with closing(psycopg.connect(url, autocommit=True)) as db:
        db.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield f"{url.rpartition('/')[0]}/{name}"
        finally:
            db.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[Gateways]:
    with database() as url:
        gateways = on(url, tmp_path)
        try:
            yield gateways
        finally:
            gateways.stop_all()


async def test_a_session_row_deleted_by_hand_is_lost_within_a_second(
    gateways: Gateways, streams: Streams, figures: Figures
) -> None:
    gateway = await gateways.launch("--backend-ttl", "15s")
    election = an_election()
    leader = await streams.candidate(gateway.grpc, election)
    token = await leader.leads()
    began = time.monotonic()
    with psycopg.connect(gateways.store, autocommit=True) as db:
        db.execute("DELETE FROM incumbent_session")
    assert await leader.lost() == "BACKEND_LOST"
    figures("PostgreSQL: session row deleted to LOST", time.monotonic() - began, 1.0)
    assert time.monotonic() - began < 1.0 + 2.0
    again = await streams.candidate(gateway.grpc, election)
    assert await again.leads() > token


async def test_a_restart_of_the_server_costs_no_term(
    server: Postgres, tmp_path: Path, streams: Streams
) -> None:
    gateways = on(server.url(), tmp_path)
    try:
        gateway = await gateways.launch("--backend-ttl", "15s")
        leader = await streams.candidate(
            gateway.grpc, an_election(), credential=a_credential(), ttl=15
        )
        token = await leader.leads()
        await asyncio.to_thread(server.kill)
        refused = await streams.by_hand(gateway.grpc, an_election(), no_wait=True)
        told = await refused.end()
        assert told.reason == "BACKEND_UNAVAILABLE"
        assert not any(word in repr(told) for word in (server.password, str(server.port), "127."))
        await asyncio.sleep(2)
        await asyncio.to_thread(server.start)
        next_one = await streams.candidate(gateway.grpc, an_election())
        assert await next_one.leads() > token
        answer = await leader.answered()
        assert (answer.state, answer.term.token) == (pb.STATE_LEADING, token)
        assert server.password not in gateway.output
    finally:
        gateways.stop_all()


@both
def test_a_wrong_password_ends_the_start(mechanism: Mechanism, gateways: Gateways) -> None:
    secret = secrets.token_hex(8)
    user, at, rest = mechanism.url(gateways.store).rpartition("@")
    sentence = gateways.refused(store=f"{user.rpartition(':')[0]}:{secret}{at}{rest}")
    assert "refuses this user's password" in sentence
    assert secret not in sentence
