"""What a client may believe and how often it is asked to prove that it lives."""

import pytest

from incumbent.v1 import election_service_pb2 as pb
from tests.clients import Stream, Streams, a_credential, an_election, seconds_of
from tests.gateways import Gateway, Gateways

BACKEND_TTL = 15.0  # of the shared gateway: the default


def promised(ttl: float) -> float:
    """A ttl less what clocks may err."""
    return ttl - max(0.05, 0.02 * ttl)


def trust(stream: Stream) -> float | None:
    last = stream.heard[-1]
    return seconds_of(last.trust_for) if last.HasField("trust_for") else None


async def keeping(gateway: Gateway, streams: Streams, ttl: float) -> Stream:
    stream = await streams.by_hand(gateway.grpc, an_election(), credential=a_credential(), ttl=ttl)
    await stream.leads()
    return stream


@pytest.mark.parametrize("ttl", [1, 2.5, 10])
async def test_trust_is_counted_and_never_above_the_ttl(
    gateway: Gateway, streams: Streams, ttl: float
) -> None:
    leader = await keeping(gateway, streams, ttl)
    assert leader.heard[-1].sequence == 0
    for _ in range(4):
        found = trust(leader)
        assert found is not None
        assert 0 < found <= promised(ttl) + 1e-6
        await leader.answered()
        assert leader.heard[-1].sequence == leader.sequence
    if ttl < BACKEND_TTL / 3:  # then the store's confirmation is always the longer one
        assert trust(leader) == pytest.approx(promised(ttl), abs=1e-6)


@pytest.mark.parametrize("ttl", [60, 3600])
async def test_trust_is_capped_by_the_backend_ttl(
    gateway: Gateway, streams: Streams, ttl: float
) -> None:
    leader = await keeping(gateway, streams, ttl)
    for _ in range(3):
        await leader.answered()
        found = trust(leader)
        assert found is not None
        assert found <= promised(BACKEND_TTL)


async def test_trust_follows_what_the_store_confirmed(gateways: Gateways, streams: Streams) -> None:
    """It shrinks from one renewal of the session to the next, and never passes the promise."""
    gateway = await gateways.launch("--backend-ttl", "4s")
    leader = await keeping(gateway, streams, 60)
    found: list[float] = []
    while len(found) < 2 or found[-1] <= found[-2]:  # until a renewal is seen
        await leader.answered()
        found.append(trust(leader) or 0.0)
    assert max(found) <= promised(4)
    assert all(each > 0 for each in found)
    assert sorted(found[:-1], reverse=True) == found[:-1]


async def test_no_trust_without_heartbeats_under_release(
    gateway: Gateway, streams: Streams
) -> None:
    leader = await streams.by_hand(gateway.grpc, an_election(), ttl=1)
    await leader.leads()
    assert trust(leader) is None
    await leader.proclaim(b"x")
    await leader.until(lambda response: response.term.value == b"x")
    assert trust(leader) is None
    await leader.answered()
    assert trust(leader) == pytest.approx(promised(1), abs=1e-6)
    assert await leader.lost(3.25) == "EXPIRED"  # heartbeats are due from now on


async def test_no_trust_while_waiting(gateway: Gateway, streams: Streams) -> None:
    election = an_election()
    await (await streams.candidate(gateway.grpc, election)).leads()
    waiting = await streams.candidate(gateway.grpc, election, ttl=1)
    await waiting.until(lambda response: response.sequence >= 3)
    assert not any(each.HasField("trust_for") for each in waiting.heard)
    assert all(each.HasField("next_heartbeat_in") for each in waiting.heard)


@pytest.mark.parametrize(("ttl", "least"), [(1, 1.0), (3, 3.0), (3600, BACKEND_TTL)])
async def test_when_the_next_heartbeat_is_due(
    gateway: Gateway, streams: Streams, ttl: float, least: float
) -> None:
    leader = await keeping(gateway, streams, ttl)
    for _ in range(12):
        await leader.answered()
    asked = [seconds_of(each.next_heartbeat_in) for each in leader.heard]
    assert all(0 < each <= least / 3 for each in asked)
    assert len(set(asked)) > 3, "jitter"


async def test_one_answer_may_serve_several_heartbeats(gateway: Gateway, streams: Streams) -> None:
    leader = await keeping(gateway, streams, 10)
    for _ in range(50):
        await leader.heartbeat()
    await leader.until(lambda response: response.sequence == 50)
    sequences = [each.sequence for each in leader.heard]
    assert sequences == sorted(sequences)
    assert trust(leader) is not None


async def test_sequences_may_have_gaps_and_be_large(gateway: Gateway, streams: Streams) -> None:
    leader = await keeping(gateway, streams, 10)
    for number in (7, 2**31, 2**63 - 1):
        await leader.heartbeat(number)
        await leader.until(lambda response, wanted=number: response.sequence == wanted)  # type: ignore[misc]


async def test_a_silent_candidate_is_passed_over_but_keeps_its_place(
    gateway: Gateway, streams: Streams
) -> None:
    election = an_election()
    leader = await streams.candidate(gateway.grpc, election)
    await leader.leads()
    silent = await streams.by_hand(gateway.grpc, election, credential=a_credential(), ttl=3)
    assert (await silent.waits()).position == 1
    lively = await streams.candidate(gateway.grpc, election, ttl=1)
    assert (await lively.waits()).position == 2
    # heard within two intervals of at most 1 s: past that it is passed over
    await lively.until(lambda response: response.sequence >= 8)
    assert (await leader.resign()).code is not None
    token = await lively.leads()
    assert silent.heard[-1].state == pb.STATE_WAITING
    await silent.until(lambda response: response.term.token == token)


async def test_a_queue_is_served_in_order(gateway: Gateway, streams: Streams) -> None:
    election = an_election()
    queue = []
    for place in range(6):
        queue.append(await streams.candidate(gateway.grpc, election))
        await (queue[-1].leads() if place == 0 else queue[-1].waits())
    tokens = []
    for place, candidate in enumerate(queue):
        tokens.append(await candidate.leads())
        for ahead, waiting in enumerate(queue[place + 1 :], start=1):
            await waiting.until(
                lambda response, ahead=ahead, token=tokens[-1]: (  # type: ignore[misc]
                    response.position == ahead and response.term.token == token
                )
            )
        await candidate.resign()
    assert tokens == sorted(set(tokens))


async def test_proclaim_changes_the_value_alone(
    gateway: Gateway, elsewhere: Gateway, streams: Streams
) -> None:
    election = an_election()
    leader = await streams.candidate(gateway.grpc, election, value=b"first")
    token = await leader.leads()
    watching = await streams.candidate(elsewhere.grpc, election)
    await watching.until(lambda response: response.term.value == b"first")
    for value in (b"second", b"", b"\x00\xff" * 2048):
        await leader.proclaim(value)
        await leader.until(lambda response, value=value: response.term.value == value)  # type: ignore[misc]
        assert leader.heard[-1].term.token == token
        assert leader.believes()


async def test_proclaim_while_waiting(gateway: Gateway, streams: Streams) -> None:
    election = an_election()
    leader = await streams.candidate(gateway.grpc, election)
    token = await leader.leads()
    waiting = await streams.candidate(gateway.grpc, election)
    await waiting.waits()
    await waiting.proclaim(b"usurped")
    assert (await waiting.end()).reason == "NOT_LEADER"
    response = await leader.answered()
    assert (response.term.token, response.term.value) == (token, b"")


async def test_the_first_response_of_an_uncontended_enter(
    gateway: Gateway, streams: Streams
) -> None:
    """Who wins a vacancy is told so at once; who finds a leader is told of it at once."""
    election = an_election()
    first = await streams.by_hand(gateway.grpc, election)
    token = await first.leads()
    assert [each.state for each in first.heard] == [pb.STATE_LEADING]
    second = await streams.by_hand(gateway.grpc, election)
    assert (await second.waits()).term.token == token
    assert len(second.heard) == 1
