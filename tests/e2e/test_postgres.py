"""Gateways on PostgreSQL: hands in the tables, a restart of the server, a wrong password."""

import asyncio
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from incumbent.v1 import election_service_pb2 as pb
from tests.clients import Streams, a_credential, an_election
from tests.figures import Figures
from tests.gateways import Gateways, gateways_in
from tests.mechanisms import Mechanism, both
from tests.servers import Postgres
from tests.stores import gateways_on

STORE = "postgres"


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[Gateways]:
    with gateways_on("postgres", tmp_path) as gateways:
        yield gateways


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
    with gateways_in(tmp_path, server.url()) as gateways:
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


@both
def test_a_wrong_password_ends_the_start(mechanism: Mechanism, gateways: Gateways) -> None:
    secret = secrets.token_hex(8)
    user, at, rest = mechanism.url(gateways.store).rpartition("@")
    sentence = gateways.refused(store=f"{user.rpartition(':')[0]}:{secret}{at}{rest}")
    assert "refuses this user's password" in sentence
    assert secret not in sentence
