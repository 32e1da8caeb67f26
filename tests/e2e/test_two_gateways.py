"""Two gateways of one store: moves, drains, crashes and stalls, and never two who believe."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from grpc import StatusCode, aio

from incumbent.v1 import election_service_pb2 as pb
from incumbent.v1 import error_reason_pb2
from tests.clients import Candidate, Stream, Streams, Told, a_credential, an_election, connected
from tests.figures import Figures
from tests.gateways import Gateways
from tests.stores import every_store, gateways_on, on, where_terms_move

DRAINING = error_reason_pb2.ERROR_REASON_GATEWAY_DRAINING


@pytest.fixture
def gateways(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gateways]:
    """On a store that the test names, or else on a file."""
    with gateways_on(getattr(request, "param", "sqlite"), tmp_path) as gateways:
        yield gateways


def assert_sent_away(stream: Stream) -> None:
    assert stream.ending is not None
    assert (stream.ending.code, stream.ending.reason) == (
        StatusCode.UNAVAILABLE,
        "GATEWAY_DRAINING",
    )


def assert_not_at_once(first: Candidate, second: Candidate) -> None:
    """The first believed no longer when the second began to."""
    assert first.believes_until <= second.believed_from


@every_store
async def test_both_serve_the_same_elections(gateways: Gateways, streams: Streams) -> None:
    one, two = await gateways.pair()
    elections = sorted(an_election("both") for _ in range(6))
    leaders = [
        await streams.candidate((one, two)[place % 2].grpc, election)
        for place, election in enumerate(elections)
    ]
    tokens = dict(zip(elections, [await leader.leads() for leader in leaders], strict=True))
    for gateway in (one, two):
        async with connected(gateway.grpc) as calls:
            seen = {}
            async for message in calls.Observe(pb.ObserveRequest(prefix="both/")):
                seen[message.election] = message.term.token
                if tokens.items() <= seen.items():
                    break
            pages: list[list[tuple[str, int]]] = []
            page = pb.ListElectionsResponse()
            while not pages or page.next_page_token:
                asked = pb.ListElectionsRequest(
                    prefix="both/", page_size=4, page_token=page.next_page_token
                )
                page = await calls.ListElections(asked)
                pages.append([(each.election, each.term.token) for each in page.elections])
            assert [len(each) for each in pages] == [4, 2]
            assert dict(pages[0] + pages[1]) == tokens
            for election, token in tokens.items():
                answer = await calls.GetLeader(pb.GetLeaderRequest(election=election))
                assert answer.term.token == token
                assert (
                    await calls.VerifyToken(pb.VerifyTokenRequest(election=election, token=token))
                ).current


@on("sqlite", "postgres", "postgres+advisory")
async def test_namespaces_are_worlds_of_their_own(gateways: Gateways, streams: Streams) -> None:
    here = gateways.begin("--namespace", "here")
    there = gateways.begin("--namespace", "there")
    for gateway in (here, there):
        await asyncio.to_thread(gateway.serving)
    election = an_election()
    leaders = [await streams.candidate(each.grpc, election) for each in (here, there)]
    for leader in leaders:
        assert await leader.leads() == 1


@where_terms_move
async def test_drain_with_another_gateway(
    gateways: Gateways, streams: Streams, figures: Figures
) -> None:
    one, two = await gateways.pair()
    election, credential = an_election(), a_credential()
    leader = await streams.candidate(one.grpc, election, credential=credential)
    token = await leader.leads()
    waiting = await streams.candidate(one.grpc, election)
    await waiting.waits()
    began = time.monotonic()
    one.terminate()
    await leader.end()
    assert_sent_away(leader)
    last = leader.heard[-1]
    assert (last.state, last.reason, last.term.token) == (pb.STATE_LEADING, DRAINING, token)
    assert last.HasField("trust_for")
    assert leader.believes()
    await waiting.end()
    assert_sent_away(waiting)
    assert waiting.heard[-1].state == pb.STATE_WAITING
    again = await streams.candidate(
        two.grpc, election, credential=credential, attempt=2, resume_token=token
    )
    assert await again.leads() == token
    figures("SIGTERM until the same term is led on another gateway", time.monotonic() - began)
    assert await one.ended() == 0
    figures("SIGTERM until the exit, when all have moved", time.monotonic() - began)
    assert (await again.answered()).term.token == token


async def test_drain_goes_on_renewing_while_trust_runs(
    gateways: Gateways, streams: Streams
) -> None:
    """A client of a ttl beyond the backend ttl is slow to move; nobody takes its term."""
    one, two = await gateways.pair("--backend-ttl", "1s")
    election, credential = an_election(), a_credential()
    leader = await streams.candidate(one.grpc, election, credential=credential, ttl=3)
    token = await leader.leads()
    waiting = await streams.candidate(two.grpc, election, ttl=1)
    await waiting.waits()
    one.terminate()
    await leader.end()
    number = waiting.sequence
    await waiting.until(lambda response: response.sequence >= number + 5)  # over a backend ttl
    assert waiting.heard[-1].term.token == token
    again = await streams.candidate(
        two.grpc, election, credential=credential, attempt=2, resume_token=token
    )
    assert await again.leads() == token
    assert await one.ended() == 0


async def test_drain_of_a_client_that_does_not_move(gateways: Gateways, streams: Streams) -> None:
    one, two = await gateways.pair()
    election = an_election()
    leader = await streams.candidate(one.grpc, election, ttl=1)
    token = await leader.leads()
    waiting = await streams.candidate(two.grpc, election)
    await waiting.waits()
    one.terminate()
    await leader.end()
    assert await waiting.leads(3.25) > token
    assert_not_at_once(leader, waiting)
    assert await one.ended() == 0


@on("sqlite", "postgres+advisory")
async def test_drain_of_what_cannot_move(gateways: Gateways, streams: Streams) -> None:
    """A stream without heartbeats believes as long as it is open: LOST, then released."""
    one, two = await gateways.pair()
    election = an_election()
    leader = await streams.by_hand(one.grpc, election)
    token = await leader.leads()
    waiting = await streams.candidate(two.grpc, election)
    await waiting.waits()
    one.terminate()
    assert await leader.lost() == "GATEWAY_DRAINING"
    assert await waiting.leads() > token
    assert await one.ended() == 0


async def test_drain_ends_observers(gateways: Gateways) -> None:
    gateway = await gateways.launch()
    async with connected(gateway.grpc) as calls:
        observer = calls.Observe(pb.ObserveRequest())
        assert (await anext(aiter(observer))).synced
        gateway.terminate()
        with pytest.raises(aio.AioRpcError) as caught:
            await anext(aiter(observer))
    told = Told.of(caught.value)
    assert (told.code, told.reason) == (StatusCode.UNAVAILABLE, "GATEWAY_DRAINING")
    assert await gateway.ended() == 0


@where_terms_move
@pytest.mark.slow
async def test_a_rolling_restart(gateways: Gateways, streams: Streams) -> None:
    """Every gateway is replaced, one after the other; the leader and its token stay."""
    fresh = [gateways.begin() for _ in range(4)]
    for each in fresh:
        await asyncio.to_thread(each.serving)
    old, fresh = fresh[:2], fresh[2:]
    election, credential = an_election(), a_credential()
    leader = await streams.candidate(old[0].grpc, election, credential=credential)
    token, attempt = await leader.leads(), 1
    for new in fresh:
        old[0].terminate()
        await leader.end()
        assert_sent_away(leader)
        attempt += 1
        again = await streams.candidate(
            old[1].grpc, election, credential=credential, attempt=attempt, resume_token=token
        )
        assert await again.leads() == token
        assert again.believed_from <= leader.believes_until, "there was no gap"
        assert await old[0].ended() == 0
        leader, old = again, [old[1], new]
    assert (await leader.answered()).term.token == token


@where_terms_move
@pytest.mark.parametrize("where", ["another gateway", "the restarted one"])
async def test_kill_9_of_a_gateway(
    gateways: Gateways, streams: Streams, figures: Figures, where: str
) -> None:
    """Fault 5: the client goes on elsewhere, or on the same gateway when that is back."""
    one = await gateways.launch("--backend-ttl", "30s")
    two = await gateways.launch("--backend-ttl", "30s") if where == "another gateway" else None
    election, credential = an_election(), a_credential()
    leader = await streams.candidate(one.grpc, election, credential=credential, ttl=30)
    token = await leader.leads()
    began = time.monotonic()
    one.kill()
    told = await leader.end()
    assert (told.code, told.reason) == (StatusCode.UNAVAILABLE, "")
    assert leader.believes()
    if two is None:
        two = await gateways.launch("--backend-ttl", "30s", "--listen", one.grpc)
    again = await streams.candidate(
        two.grpc, election, credential=credential, ttl=30, attempt=2, resume_token=token
    )
    assert await again.leads() == token
    figures(f"gateway killed with -9 until led on {where}", time.monotonic() - began)
    assert again.believed_from <= leader.believes_until, "there was no gap"


@where_terms_move
async def test_kill_9_of_a_gateway_whose_leader_does_not_come_back(
    gateways: Gateways, streams: Streams, figures: Figures
) -> None:
    one, two = await gateways.pair("--backend-ttl", "2s")
    election = an_election()
    leader = await streams.candidate(one.grpc, election)
    token = await leader.leads()
    waiting = await streams.candidate(two.grpc, election, ttl=1)
    await waiting.waits()
    began = time.monotonic()
    one.kill()
    assert await waiting.leads(2 * 1.02 + 0.5 + 2) > token
    took = time.monotonic() - began
    figures("gateway killed with -9, backend ttl 2 s: a successor", took, 2.54)
    assert_not_at_once(leader, waiting)


@where_terms_move
async def test_a_frozen_gateway_whose_client_moves(gateways: Gateways, streams: Streams) -> None:
    """Fault 6: the term lives on elsewhere, and the frozen gateway revives nothing."""
    one, two = await gateways.pair("--backend-ttl", "2s")
    election, credential = an_election(), a_credential()
    leader = await streams.candidate(one.grpc, election, credential=credential, ttl=5)
    token = await leader.leads()
    one.freeze()
    again = await streams.candidate(
        two.grpc, election, credential=credential, ttl=2, attempt=2, resume_token=token
    )
    assert await again.leads() == token
    assert again.believed_from <= leader.believes_until, "there was no gap"
    await again.until(lambda response: response.sequence >= 6)  # over two backend ttls
    one.thaw()
    assert await leader.lost() in {"SUPERSEDED", "BACKEND_LOST"}
    number = again.sequence
    await again.until(lambda response: response.sequence >= number + 3)
    assert again.heard[-1].term.token == token
    back = await streams.candidate(
        one.grpc, election, credential=credential, attempt=3, resume_token=token
    )
    assert await back.leads() == token


@every_store
async def test_a_frozen_gateway_whose_client_stays(
    gateways: Gateways, streams: Streams, figures: Figures
) -> None:
    """Fault 6: a successor after the backend ttl; the former leader believes no longer by then."""
    one, two = await gateways.pair("--backend-ttl", "2s")
    election, credential = an_election(), a_credential()
    leader = await streams.candidate(one.grpc, election, credential=credential, ttl=5)
    bare = await streams.by_hand(one.grpc, other := an_election())
    token, bare_token = await leader.leads(), await bare.leads()
    waiting = await streams.candidate(two.grpc, election, ttl=1)
    others = await streams.candidate(two.grpc, other, ttl=1)
    await waiting.waits()
    began = time.monotonic()
    one.freeze()
    later = await waiting.leads(2 * 1.02 + 0.5 + 2)
    figures("gateway frozen, backend ttl 2 s: a successor", time.monotonic() - began, 2.54)
    assert later > token
    assert await others.leads() > bare_token
    assert_not_at_once(leader, waiting)
    assert not leader.believes()
    one.thaw()
    began = time.monotonic()
    assert await leader.lost() == "BACKEND_LOST"
    assert await bare.lost() == "BACKEND_LOST"
    figures("gateway thawed: its clients are told LOST", time.monotonic() - began)
    assert (await waiting.answered()).term.token == later
    await asyncio.to_thread(one.serving)
    again = await streams.by_hand(
        one.grpc, election, credential=credential, attempt=2, resume_token=token
    )
    assert await again.lost() == "EXPIRED"
    assert (await waiting.answered()).term.token == later


@on("sqlite", "postgres+advisory")
async def test_a_short_stall_costs_nothing(gateways: Gateways, streams: Streams) -> None:
    """Fault 24: silence is judged only after what had piled up was read."""
    gateway = await gateways.launch()
    election = an_election()
    leader = await streams.by_hand(gateway.grpc, election, credential=a_credential(), ttl=1)
    token = await leader.leads()
    await leader.answered()
    gateway.freeze()
    for _ in range(10):  # 2 s, twice the ttl
        await asyncio.sleep(0.2)
        await leader.heartbeat()
    gateway.thaw()
    number = leader.sequence
    await leader.until(lambda response: response.sequence >= number)
    response = await leader.answered()
    assert (response.state, response.term.token) == (pb.STATE_LEADING, token)
    assert {each.term.token for each in leader.heard if each.HasField("term")} == {token}
