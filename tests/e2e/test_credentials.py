"""A wrong credential learns nothing and changes nothing."""

from hashlib import sha256

import pytest
from grpc import StatusCode, aio

from incumbent.v1 import election_service_pb2 as pb
from tests.clients import Candidate, Streams, Told, a_credential, an_election, connected
from tests.gateways import Gateway

SECRET = b"known to its leader"


async def a_leader(gateway: Gateway, streams: Streams, election: str) -> Candidate:
    leader = await streams.candidate(gateway.grpc, election, value=SECRET, candidate="labelled")
    await leader.leads()
    return leader


async def assert_unharmed(leader: Candidate) -> None:
    before = leader.token
    response = await leader.answered()
    assert (response.state, response.term.token) == (pb.STATE_LEADING, before)
    assert leader.believes()
    assert leader.ending is None


async def resigned(gateway: Gateway, election: str, credential: str) -> Told:
    async with connected(gateway.grpc) as calls:
        with pytest.raises(aio.AioRpcError) as caught:
            await calls.Resign(pb.ResignRequest(election=election, credential=credential))
    return Told.of(caught.value)


async def test_a_resume(gateway: Gateway, elsewhere: Gateway, streams: Streams) -> None:
    """The answer to a right token and to a wrong one is the same."""
    election = an_election()
    leader = await a_leader(gateway, streams, election)
    told = []
    for token in (leader.token, leader.token + 1000):
        thief = await streams.by_hand(
            elsewhere.grpc, election, credential=a_credential(), attempt=9, resume_token=token
        )
        assert await thief.lost() == "EXPIRED"
        (response,) = thief.heard
        assert not response.HasField("term")
        told.append((response, repr(thief.ending)))
    assert told[0] == told[1]
    await assert_unharmed(leader)


async def test_a_resign(gateway: Gateway, elsewhere: Gateway, streams: Streams) -> None:
    """The answer is that of an election that nobody leads."""
    election, vacant = an_election(), an_election()
    leader = await a_leader(gateway, streams, election)
    told = await resigned(elsewhere, election, a_credential())
    assert (told.code, told.reason) == (StatusCode.FAILED_PRECONDITION, "NOT_LEADER")
    other = await resigned(elsewhere, vacant, a_credential())
    assert repr(told).replace(election, vacant) == repr(other)
    await assert_unharmed(leader)


async def test_a_resign_of_one_that_waits(
    gateway: Gateway, elsewhere: Gateway, streams: Streams
) -> None:
    election = an_election()
    leader = await a_leader(gateway, streams, election)
    waiting = await streams.candidate(gateway.grpc, election)
    await waiting.waits()
    assert (await resigned(elsewhere, election, a_credential())).reason == "NOT_LEADER"
    assert (await waiting.answered()).position == 1
    await assert_unharmed(leader)


async def test_the_label_is_no_identity(
    gateway: Gateway, elsewhere: Gateway, streams: Streams
) -> None:
    election = an_election()
    leader = await a_leader(gateway, streams, election)
    twin = await streams.candidate(elsewhere.grpc, election, candidate="labelled")
    await twin.until(lambda response: response.term.token == leader.token)
    assert twin.heard[-1].state == pb.STATE_WAITING
    await assert_unharmed(leader)


async def test_a_holder_is_no_credential(
    gateway: Gateway, elsewhere: Gateway, streams: Streams
) -> None:
    """Whoever reads the store sees hashes; they open nothing."""
    election, credential = an_election(), a_credential()
    leader = await streams.candidate(gateway.grpc, election, credential=credential)
    await leader.leads()
    holder = sha256(credential.encode()).hexdigest()
    assert len(holder) == 64  # fit to be a credential
    assert (await resigned(elsewhere, election, holder)).reason == "NOT_LEADER"
    await assert_unharmed(leader)


async def test_no_credential_is_told_or_logged(gateway: Gateway, streams: Streams) -> None:
    election, credential = an_election(), a_credential()
    leader = await streams.candidate(gateway.grpc, election, credential=credential)
    await leader.leads()
    made = await streams.by_hand(gateway.grpc, an_election())
    await made.leads()
    issued = next(each.credential for each in made.heard if each.credential)
    assert not any(each.credential for each in leader.heard)
    assert (await leader.resign()).code is StatusCode.OK
    assert credential not in gateway.output
    assert issued not in gateway.output


async def test_a_credential_of_the_gateways_making_resumes(
    gateway: Gateway, elsewhere: Gateway, streams: Streams
) -> None:
    election = an_election()
    first = await streams.by_hand(
        gateway.grpc, election, on_disconnect=pb.ON_DISCONNECT_KEEP, ttl=20
    )
    token = await first.leads()
    credential = first.heard[0].credential
    assert 22 <= len(credential) <= 64
    await first.cut()
    again = await streams.candidate(
        elsewhere.grpc, election, credential=credential, attempt=2, resume_token=token
    )
    assert await again.leads() == token
