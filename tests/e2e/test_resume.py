"""Every row of the contract's resume table, on the gateway that holds the term and on another."""

import asyncio

import pytest
from grpc import StatusCode

from incumbent.v1 import election_service_pb2 as pb
from tests.clients import Stream, Streams, a_credential, an_election, connected
from tests.figures import Figures
from tests.gateways import Gateway


async def leader_of(gateway: Gateway, election: str) -> pb.Term | None:
    async with connected(gateway.grpc) as calls:
        answer = await calls.GetLeader(pb.GetLeaderRequest(election=election))
    return answer.term if answer.HasField("term") else None


async def assert_expired(stream: Stream) -> None:
    assert await stream.lost() == "EXPIRED"
    assert stream.ending is not None
    assert (stream.ending.code, stream.ending.reason) == (StatusCode.ABORTED, "EXPIRED")
    assert len(stream.heard) == 1


async def test_it_leads_with_that_token(
    gateway: Gateway, elsewhere: Gateway, streams: Streams, figures: Figures
) -> None:
    election, credential = an_election(), a_credential()
    first = await streams.candidate(
        gateway.grpc, election, credential=credential, value=b"entered", candidate="label"
    )
    token = await first.leads()
    await first.proclaim(b"proclaimed")
    await first.until(lambda response: response.term.value == b"proclaimed")
    second = await streams.candidate(
        elsewhere.grpc, election, credential=credential, attempt=2, resume_token=token
    )
    assert await second.leads() == token
    where = "the same gateway" if elsewhere is gateway else "another gateway"
    figures(f"resume on {where}", second.believed_from - second.sent_at[0])
    term = second.heard[-1].term
    assert (term.value, term.candidate) == (b"proclaimed", "label")
    assert await first.lost() == "SUPERSEDED"
    assert first.ending is not None
    assert (first.ending.code, first.ending.reason) == (StatusCode.ABORTED, "SUPERSEDED")
    assert [each.state for each in second.heard if each.state != pb.STATE_WAITING]
    assert all(each.state == pb.STATE_LEADING for each in second.heard)
    assert (await second.answered()).term.token == token
    assert second.believes()


async def test_a_value_given_on_a_resume_replaces_the_old_one(
    gateway: Gateway, elsewhere: Gateway, streams: Streams
) -> None:
    election, credential = an_election(), a_credential()
    first = await streams.candidate(gateway.grpc, election, credential=credential, value=b"old")
    token = await first.leads()
    second = await streams.candidate(
        elsewhere.grpc,
        election,
        credential=credential,
        attempt=2,
        resume_token=token,
        value=b"new",
    )
    await second.until(lambda response: response.term.value == b"new")
    assert second.heard[-1].term.token == token
    term = await leader_of(gateway, election)
    assert term is not None
    assert (term.token, term.value) == (token, b"new")


@pytest.mark.parametrize("value", [b"", b"x" * 4096])
async def test_an_empty_and_a_full_value_move(
    gateway: Gateway, elsewhere: Gateway, streams: Streams, value: bytes
) -> None:
    election, credential = an_election(), a_credential()
    first = await streams.candidate(gateway.grpc, election, credential=credential, value=value)
    token = await first.leads()
    again = await streams.candidate(
        elsewhere.grpc, election, credential=credential, attempt=2, resume_token=token
    )
    await again.leads()
    assert again.heard[-1].term.value == value


async def test_there_and_back_again(gateway: Gateway, neighbour: Gateway, streams: Streams) -> None:
    election, credential = an_election(), a_credential()
    here = await streams.candidate(gateway.grpc, election, credential=credential)
    token = await here.leads()
    for attempt in range(2, 8):
        target = (gateway if attempt % 2 else neighbour).grpc
        there = await streams.candidate(
            target, election, credential=credential, attempt=attempt, resume_token=token
        )
        assert await there.leads() == token
        assert await here.lost() == "SUPERSEDED"
        here = there
    assert (await here.answered()).term.token == token


async def test_the_term_was_resigned(
    gateway: Gateway, elsewhere: Gateway, streams: Streams
) -> None:
    election, credential = an_election(), a_credential()
    first = await streams.candidate(gateway.grpc, election, credential=credential)
    token = await first.leads()
    assert (await first.resign()).code is StatusCode.OK
    again = await streams.by_hand(
        elsewhere.grpc, election, credential=credential, attempt=2, resume_token=token
    )
    await assert_expired(again)
    assert await leader_of(gateway, election) is None


async def test_the_term_expired_and_another_leads(
    gateway: Gateway, elsewhere: Gateway, streams: Streams
) -> None:
    election, credential = an_election(), a_credential()
    first = await streams.by_hand(gateway.grpc, election, credential=credential, ttl=1)
    token = await first.leads()
    second = await streams.candidate(gateway.grpc, election)
    later = await second.leads()
    assert later > token
    again = await streams.by_hand(
        elsewhere.grpc, election, credential=credential, attempt=2, resume_token=token
    )
    await assert_expired(again)
    assert (await second.answered()).term.token == later


@pytest.mark.parametrize("wrong", [1, 10**9, 2**63 - 1])
async def test_a_token_that_is_not_its_own(
    gateway: Gateway, elsewhere: Gateway, streams: Streams, wrong: int
) -> None:
    """LOST, and the term that the credential does lead is not harmed, nor granted anew."""
    await (await streams.by_hand(gateway.grpc, an_election())).leads()  # so that 1 is taken
    election, credential = an_election(), a_credential()
    first = await streams.candidate(gateway.grpc, election, credential=credential)
    token = await first.leads()
    again = await streams.by_hand(
        elsewhere.grpc, election, credential=credential, attempt=2, resume_token=wrong
    )
    await assert_expired(again)
    assert (await first.answered()).term.token == token


async def test_an_unknown_credential_with_a_token(elsewhere: Gateway, streams: Streams) -> None:
    """Never a new term."""
    election = an_election()
    stream = await streams.by_hand(
        elsewhere.grpc, election, credential=a_credential(), attempt=2, resume_token=5
    )
    await assert_expired(stream)
    assert await leader_of(elsewhere, election) is None


async def test_it_waits_here_and_keeps_its_place(gateway: Gateway, streams: Streams) -> None:
    election, credential = an_election(), a_credential()
    await (await streams.candidate(gateway.grpc, election)).leads()
    first = await streams.candidate(gateway.grpc, election, credential=credential)
    await first.waits()
    behind = await streams.candidate(gateway.grpc, election)
    assert (await behind.waits()).position == 2
    again = await streams.candidate(gateway.grpc, election, credential=credential, attempt=2)
    assert (await again.waits()).position == 1
    assert await first.lost() == "SUPERSEDED"
    await again.cut()
    third = await streams.candidate(gateway.grpc, election, credential=credential, attempt=3)
    assert (await third.waits()).position == 1
    assert behind.heard[-1].position == 2


async def test_a_place_is_kept_for_ttl_only(gateway: Gateway, streams: Streams) -> None:
    election, credential = an_election(), a_credential()
    await (await streams.candidate(gateway.grpc, election)).leads()
    first = await streams.candidate(gateway.grpc, election, credential=credential, ttl=1)
    await first.waits()
    behind = await streams.candidate(gateway.grpc, election)
    assert (await behind.waits()).position == 2
    await first.cut()
    await behind.until(lambda response: response.position == 1, 1 + 2.25)
    again = await streams.candidate(gateway.grpc, election, credential=credential, attempt=2)
    assert (await again.waits()).position == 2


async def test_it_waited_elsewhere_and_is_last_here(
    gateway: Gateway, neighbour: Gateway, streams: Streams
) -> None:
    election, credential = an_election(), a_credential()
    await (await streams.candidate(gateway.grpc, election)).leads()
    first = await streams.candidate(gateway.grpc, election, credential=credential)
    assert (await first.waits()).position == 1
    for place in (1, 2):
        there = await streams.candidate(neighbour.grpc, election)
        assert (await there.waits()).position == place
    moved = await streams.candidate(neighbour.grpc, election, credential=credential, attempt=2)
    assert (await moved.waits()).position == 3


async def test_an_enter_may_be_repeated_while_it_leads(
    gateway: Gateway, elsewhere: Gateway, streams: Streams
) -> None:
    """The first answer was lost: the client knows no token, and gets the same term."""
    election, credential = an_election(), a_credential()
    first = await streams.by_hand(gateway.grpc, election, credential=credential)
    token = await first.leads()
    await first.cut()
    again = await streams.candidate(elsewhere.grpc, election, credential=credential, attempt=2)
    assert await again.leads() == token


async def test_an_older_attempt(gateway: Gateway, elsewhere: Gateway, streams: Streams) -> None:
    election, credential = an_election(), a_credential()
    first = await streams.candidate(gateway.grpc, election, credential=credential, attempt=3)
    token = await first.leads()
    for resume in ({}, {"resume_token": token}):
        old = await streams.by_hand(
            elsewhere.grpc, election, credential=credential, attempt=2, **resume
        )
        told = await old.end()
        assert (told.code, told.reason) == (StatusCode.ABORTED, "SUPERSEDED")
        assert all(each.state != pb.STATE_LEADING for each in old.heard)
    assert (await first.answered()).term.token == token


async def test_an_older_attempt_of_one_that_waits(gateway: Gateway, streams: Streams) -> None:
    election, credential = an_election(), a_credential()
    await (await streams.candidate(gateway.grpc, election)).leads()
    new = await streams.candidate(gateway.grpc, election, credential=credential, attempt=2)
    await new.waits()
    old = await streams.by_hand(gateway.grpc, election, credential=credential, attempt=1)
    assert (await old.end()).reason == "SUPERSEDED"
    assert (await new.answered()).position == 1


async def test_one_attempt_twice_is_one_candidate(
    gateway: Gateway, elsewhere: Gateway, streams: Streams
) -> None:
    """A duplicated enter: two streams of one number are never both served as leaders."""
    election, credential = an_election(), a_credential()
    first = await streams.candidate(gateway.grpc, election, credential=credential)
    token = await first.leads()
    twin = await streams.by_hand(elsewhere.grpc, election, credential=credential)
    assert (await twin.end()).reason == "SUPERSEDED"
    assert (await first.answered()).term.token == token


async def test_the_older_stream_can_do_nothing_any_more(
    gateway: Gateway, elsewhere: Gateway, streams: Streams
) -> None:
    """Late messages on the stream that was left: they change nothing."""
    election, credential = an_election(), a_credential()
    old = await streams.by_hand(gateway.grpc, election, credential=credential)
    token = await old.leads()
    new = await streams.candidate(
        elsewhere.grpc, election, credential=credential, attempt=2, resume_token=token
    )
    await old.proclaim(b"late")
    await old.heartbeat()
    assert await new.leads() == token
    await old.send(resign=pb.Resign())
    await old.cut()
    assert (await new.answered()).term.token == token
    term = await leader_of(elsewhere, election)
    assert term is not None
    assert term.token == token


async def test_the_gateway_that_was_left_ends_nothing(
    gateway: Gateway, neighbour: Gateway, streams: Streams
) -> None:
    """It sees its client silent past the ttl, and the term lives on elsewhere."""
    election, credential = an_election(), a_credential()
    old = await streams.by_hand(gateway.grpc, election, credential=credential, ttl=1)
    token = await old.leads()
    new = await streams.candidate(
        neighbour.grpc, election, credential=credential, ttl=1, attempt=2, resume_token=token
    )
    assert await new.leads() == token
    assert await old.lost() == "SUPERSEDED"
    other = await streams.candidate(gateway.grpc, election)
    await other.waits()
    number = new.sequence
    await new.until(lambda response: response.sequence > number + 6)  # two ttls of heartbeats
    assert new.heard[-1].term.token == token
    assert other.heard[-1].state == pb.STATE_WAITING


async def test_a_shorter_ttl_on_a_resume_counts(
    gateway: Gateway, elsewhere: Gateway, streams: Streams
) -> None:
    election, credential = an_election(), a_credential()
    old = await streams.by_hand(gateway.grpc, election, credential=credential, ttl=60)
    token = await old.leads()
    new = await streams.by_hand(
        elsewhere.grpc, election, credential=credential, ttl=1, attempt=2, resume_token=token
    )
    assert await new.leads() == token
    assert new.heard[-1].trust_for.ToTimedelta().total_seconds() <= 0.95
    assert await new.lost(1 + 2.25) == "EXPIRED"
    async with asyncio.timeout(2):  # it is told first and released then
        while await leader_of(gateway, election) is not None:
            await asyncio.sleep(0.01)
