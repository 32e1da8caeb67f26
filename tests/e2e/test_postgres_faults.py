"""Gateways whose PostgreSQL has a wrong clock, a full disk, a pooler, a certificate, a crowd."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from grpc import StatusCode

from incumbent.v1 import election_service_pb2 as pb
from tests.certificates import authority, tls_postgres, verified
from tests.clients import Streams, a_credential, an_election
from tests.disks import fill
from tests.figures import Figures
from tests.gateways import Gateways, gateways_in
from tests.integration.advisory_store import locks
from tests.integration.postgres_store import fill_log, sql
from tests.mechanisms import Mechanism, both
from tests.poolers import pgbouncer
from tests.processes import reachable
from tests.servers import Missing, Postgres, postgres

TTL = 3.0  # seconds, the backend ttl


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[Gateways]:
    with gateways_in(tmp_path) as gateways:
        yield gateways


def faked_clock(folder: Path) -> tuple[Path, dict[str, str]]:
    """A file that says by how much a clock is wrong, and the environment to heed it."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        raise Missing("libfaketime: not here; install Debian's package faketime")
    file = folder / "clock"
    file.write_text("+0")
    return file, {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


STEPS = {"+1h": 3600, "-1h": -3600, "+0": 0}


def set_clock(file: Path, step: str, server: Postgres) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(step)
    fresh.chmod(0o644)
    fresh.replace(file)  # nobody may read it half written
    ((now,),) = sql(server.url(), "SELECT extract(epoch FROM clock_timestamp())")
    assert abs(float(now) - time.time() - STEPS[step]) < 60, "the clock was set"


@pytest.fixture
def clock(server_folder: Path) -> tuple[Path, dict[str, str]]:
    return faked_clock(server_folder)


@pytest.fixture
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that the server's own user can read."""
    return reachable(tmp_path_factory.mktemp("clock"))


@pytest.mark.parametrize("name", ["postgres", "postgres15"])
async def test_the_clock_of_the_database_is_set_by_an_hour(
    name: str, clock: tuple[Path, dict[str, str]], gateways: Gateways, streams: Streams
) -> None:
    """Fault 16: nobody in the store reads it, so nothing changes."""
    file, environ = clock
    with postgres(name, environ=environ) as server:
        gateways.store = server.url()
        one, two = await gateways.pair("--backend-ttl", "2s")
        election = an_election()
        leader = await streams.candidate(one.grpc, election, ttl=2)
        tokens = [await leader.leads()]
        waiting = await streams.candidate(two.grpc, election, ttl=2)
        for step in STEPS:
            set_clock(file, step, server)
            number = leader.sequence
            await leader.until(lambda response, number=number: response.sequence >= number + 4)  # type: ignore[misc]
            await asyncio.sleep(0.5)  # with what went before, longer than the backend ttl
            new = await streams.candidate(two.grpc, an_election())
            tokens.append(await new.leads())
        assert tokens == sorted(set(tokens))
        states = {response.state for response in leader.heard}
        assert states <= {pb.STATE_WAITING, pb.STATE_LEADING}
        assert leader.heard[-1].term.token == tokens[0]
        assert {response.state for response in waiting.heard} == {pb.STATE_WAITING}
    gateways.stop_all()


@pytest.mark.parametrize("name", ["postgres", "postgres15"])
async def test_the_clock_of_the_database_is_set_by_an_hour_under_advisory_locks(
    name: str,
    clock: tuple[Path, dict[str, str]],
    gateways: Gateways,
    streams: Streams,
) -> None:
    """Fault 16. PostgreSQL counts a session's silence by that clock, so this may end sessions.

    Then the leader is told, and the next token is higher; who keeps its session keeps its term.
    libfaketime makes it worse than it is: a server that waits for a client sees the true time.
    """
    file, environ = clock
    with postgres(name, environ=environ) as server:
        gateways.store = locks(server.url())
        places = [(each.grpc, an_election()) for each in await gateways.pair("--backend-ttl", "2s")]
        leaders, tokens = [], []
        for place in places:
            leaders.append(await streams.candidate(*place, ttl=2))
            tokens.append(await leaders[-1].leads())
        for step in STEPS:
            set_clock(file, step, server)
            await asyncio.sleep(TTL)  # longer than the backend ttl
            for number, leader in enumerate(leaders):
                if leader.ending is None:
                    assert (await leader.answered()).term.token == leader.token
                    continue
                assert await leader.lost() == "BACKEND_LOST"
                leaders[number] = await streams.candidate(*places[number], ttl=2)
                tokens.append(await leaders[number].leads())
        assert tokens == sorted(set(tokens))
    gateways.stop_all()


@both
async def test_a_full_disk_under_a_leader(
    mechanism: Mechanism, gateways: Gateways, streams: Streams, figures: Figures
) -> None:
    """Fault 13: nothing is granted, trust ends at the latest; with room again all goes on."""
    with postgres(disk=100) as server:
        gateways.store = mechanism.url(server.url())
        gateway = await gateways.launch("--backend-ttl", f"{TTL}s")
        election = an_election()
        leader = await streams.candidate(gateway.grpc, election, ttl=30)
        token = await leader.leads()
        filler = await asyncio.to_thread(fill, server.own)
        await asyncio.to_thread(fill_log, server)
        began = time.monotonic()
        assert await leader.lost(TTL + 2) == "BACKEND_LOST"
        figures(f"{mechanism.name}, disk full: told LOST", time.monotonic() - began, TTL)
        assert not leader.believes()
        refused = await streams.by_hand(gateway.grpc, an_election(), no_wait=True)
        told = await refused.end()
        assert (told.code, told.reason) == (StatusCode.UNAVAILABLE, "BACKEND_UNAVAILABLE")
        filler.unlink()
        await asyncio.to_thread(server.again)
        await asyncio.to_thread(gateway.serving)
        successor = await streams.candidate(gateway.grpc, election)
        assert await successor.leads() > token
    gateways.stop_all()


async def test_a_gateway_behind_a_pooler(gateways: Gateways, streams: Streams) -> None:
    """Beside one that is not: the term moves there and back."""
    with postgres() as server, pgbouncer(server) as pooler:
        gateways.store = server.url()
        pooled = await gateways.launch(store=pooler.url())
        direct = await gateways.launch()
        assert "a pooler stands before PostgreSQL" in pooled.output
        election, credential = an_election(), a_credential()
        leader = await streams.candidate(pooled.grpc, election, credential=credential)
        token = await leader.leads()
        for attempt, gateway in enumerate((direct, pooled), 2):
            leader = await streams.candidate(
                gateway.grpc, election, credential=credential, attempt=attempt, resume_token=token
            )
            assert await leader.leads() == token
        waiting = await streams.candidate(direct.grpc, election)
        await waiting.waits()
        assert (await leader.resign()).code is StatusCode.OK
        assert await waiting.leads() > token
        gateways.stop_all()


def test_a_certificate_that_nobody_vouches_for_ends_the_start(
    gateways: Gateways, tmp_path: Path
) -> None:
    ca, stranger = authority(tmp_path), authority(tmp_path, "stranger")
    with tls_postgres(tmp_path, ca) as server:
        gateways.start(store=verified(server, ca.certificate)).kill()
        sentence = gateways.refused(store=verified(server, stranger.certificate))
        assert "nobody in sslrootcert has signed PostgreSQL's certificate" in sentence
        assert server.password not in sentence
