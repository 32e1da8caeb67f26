"""Limits: what is too much is refused, and nobody inside notices."""

import asyncio
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from grpc import StatusCode, aio

from incumbent.v1 import election_service_pb2 as pb
from incumbent.v1 import election_service_pb2_grpc as rpc
from incumbent_server.streams import LAST_WITHIN
from tests.clients import OPTIONS, Streams, Told, a_credential, an_election, connected, lasting
from tests.figures import Figures
from tests.gateways import Gateway, Gateways

MESSAGE = 64 * 2**10  # --max-message by default


async def test_a_message_over_the_limit(gateway: Gateway, streams: Streams) -> None:
    election, credential = an_election(), a_credential()
    leader = await streams.by_hand(gateway.grpc, election, credential=credential)
    token = await leader.leads()
    await leader.proclaim(bytes(MESSAGE + 1))
    told = await leader.end()
    assert (told.code, told.reason) == (StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE")
    assert told.info.metadata["limit"] == str(MESSAGE)
    again = await streams.by_hand(
        gateway.grpc, election, credential=credential, attempt=2, resume_token=token
    )
    assert await again.leads() == token


async def test_a_first_message_over_the_limit(gateway: Gateway, streams: Streams) -> None:
    stream = await streams.by_hand(gateway.grpc, an_election(), value=bytes(MESSAGE))
    told = await stream.end()
    assert (told.code, told.reason) == (StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE")


async def test_a_message_over_grpcs_own_limit(gateway: Gateway, streams: Streams) -> None:
    stream = await streams.by_hand(gateway.grpc, an_election(), value=bytes(2 * MESSAGE))
    assert (await stream.end()).code is StatusCode.RESOURCE_EXHAUSTED


async def test_a_unary_message_over_the_limit(calls: "rpc.ElectionServiceAsyncStub") -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await calls.GetLeader(pb.GetLeaderRequest(election="a" * MESSAGE))
    assert caught.value.code() is StatusCode.RESOURCE_EXHAUSTED
    assert not (await calls.GetLeader(pb.GetLeaderRequest(election=an_election()))).HasField("term")


async def test_one_stream_too_many(gateways: Gateways, streams: Streams) -> None:
    gateway = await gateways.launch("--max-streams", "50")
    leader = await streams.candidate(gateway.grpc, an_election(), ttl=1)
    token = await leader.leads()
    others = [await streams.by_hand(gateway.grpc, an_election()) for _ in range(48)]
    await asyncio.gather(*(other.leads() for other in others))
    async with connected(gateway.grpc) as calls:
        observer = calls.Observe(pb.ObserveRequest())
        assert (await anext(aiter(observer))).election
        for _ in range(5):
            assert_too_many(await over_limit(gateway, streams), "50")
        with pytest.raises(aio.AioRpcError) as caught:
            await anext(aiter(calls.Observe(pb.ObserveRequest())))
        assert_too_many(Told.of(caught.value), "50")
        assert not observer.done()
        observer.cancel()
    assert (await leader.answered()).term.token == token
    assert leader.believes()
    assert all(other.ending is None for other in others)
    await others.pop().cut()  # a place is free again
    late = await streams.by_hand(gateway.grpc, an_election())
    await late.leads()


async def over_limit(gateway: Gateway, streams: Streams) -> Told:
    """Open one stream too many; how it ended."""
    for _ in range(5):
        told = await (await streams.by_hand(gateway.grpc, an_election())).end()
        # grpc.aio's client says this of a call that ended while it was being opened
        if not told.message.startswith("Internal error from Core"):
            return told
    raise AssertionError("every call ended while it was being opened")


def assert_too_many(told: Told, limit: str) -> None:
    assert told.code is StatusCode.RESOURCE_EXHAUSTED
    assert told.reason == "TOO_MANY_STREAMS"
    assert (told.info.domain, told.info.metadata["limit"]) == ("incumbent", limit)
    assert limit in told.message


async def test_one_candidate_too_many(gateways: Gateways, streams: Streams) -> None:
    gateway = await gateways.launch("--max-candidates", "3")
    election = an_election()
    leader = await streams.candidate(gateway.grpc, election, ttl=1)
    token = await leader.leads()
    for place in (1, 2, 3):
        waiting = await streams.candidate(gateway.grpc, election)
        assert (await waiting.waits()).position == place
    told = await (await streams.by_hand(gateway.grpc, election)).end()
    assert (told.code, told.reason) == (StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CANDIDATES")
    assert told.info.metadata["election"] == election
    await (await streams.by_hand(gateway.grpc, an_election())).leads()
    assert (await leader.answered()).term.token == token


# A fixed window: by itself it grows to megabytes before an unread stream blocks its sender.
UNREAD = (*OPTIONS, ("grpc.http2.bdp_probe", 0))


def a_heartbeat(number: int) -> pb.CampaignRequest:
    return pb.CampaignRequest(heartbeat=pb.Heartbeat(sequence=number))


def a_proclaim(number: int) -> pb.CampaignRequest:
    return pb.CampaignRequest(proclaim=pb.Proclaim(value=bytes([number]) * 4096))


async def freed_by_who_does_not_read(
    gateway: Gateway, channel: aio.Channel, message: Callable[[int], pb.CampaignRequest]
) -> Any:
    """Lead until all buffers are full, fall silent, and wait until the gateway gives up."""
    enter = pb.Enter(election=an_election(), value=bytes(4096), ttl=lasting(1))
    enter.credential = a_credential()
    stub: rpc.ElectionServiceAsyncStub = rpc.ElectionServiceStub(channel)
    call = stub.Campaign()
    await call.write(pb.CampaignRequest(enter=enter))
    await gateway.line("leads")
    for number in range(1, 101):
        await call.write(message(number))
        await asyncio.sleep(0.01)
    await gateway.line("leads no longer", fits=lambda line: line["outcome"] == "expired")
    assert b'incumbent_streams{kind="campaign"} 1' in await metrics(gateway)
    async with asyncio.timeout(LAST_WITHIN + 3):
        while b'incumbent_streams{kind="campaign"} 0' not in await metrics(gateway):
            await asyncio.sleep(0.1)
    return call


async def test_who_does_not_read_that_its_term_is_over_frees_its_place(
    gateways: Gateways, streams: Streams
) -> None:
    """The stream's writer is stuck. Its client leaves without a word, which is no error here."""
    gateway = await gateways.launch("--max-streams", "1")
    async with aio.insecure_channel(gateway.grpc, options=UNREAD) as channel:
        await freed_by_who_does_not_read(gateway, channel, a_proclaim)
        await (await streams.by_hand(gateway.grpc, an_election())).leads()


async def test_who_reads_too_late_still_hears_how_its_stream_ended(gateways: Gateways) -> None:
    """The stream's reader is stuck: it answers heartbeats by itself."""
    gateway = await gateways.launch("--max-streams", "1")
    async with aio.insecure_channel(gateway.grpc, options=UNREAD) as channel:
        call = await freed_by_who_does_not_read(gateway, channel, a_heartbeat)
        with pytest.raises(aio.AioRpcError) as caught:
            await read_on(call)
    told = Told.of(caught.value)
    assert (told.code, told.reason) == (StatusCode.ABORTED, "EXPIRED")


async def read_on(call: Any) -> None:
    while await call.read() is not aio.EOF:
        pass


async def metrics(gateway: Gateway) -> bytes:
    def read() -> bytes:
        with urllib.request.urlopen(f"{gateway.http}/metrics", timeout=5) as answer:
            return bytes(answer.read())

    return await asyncio.to_thread(read)


STREAMS = 20_000
BURST = 5_000


@pytest.mark.slow
async def test_20_001_streams(gateways: Gateways, streams: Streams, figures: Figures) -> None:
    """The default limit, in bursts: none is refused but the one too many."""
    gateway = await gateways.launch("--backend-ttl", "30s")
    leader = await streams.candidate(gateway.grpc, an_election(), ttl=20)
    token = await leader.leads()
    async with aio.insecure_channel(gateway.grpc, options=OPTIONS) as channel:
        stub: rpc.ElectionServiceAsyncStub = rpc.ElectionServiceStub(channel)
        observers = []
        for first in range(1, STREAMS, BURST):
            began = time.monotonic()
            names = [f"many/{number}" for number in range(first, min(first + BURST, STREAMS))]
            burst = [stub.Observe(pb.ObserveRequest(election=name)) for name in names]
            for answer in await asyncio.gather(*(call.read() for call in burst)):
                assert isinstance(answer, pb.ObserveResponse)
            figures(f"burst of {BURST:,} streams: all answered", time.monotonic() - began, None)
            observers += burst
        assert_too_many(await over_limit(gateway, streams), "20000")
        assert (await leader.answered()).term.token == token
        assert leader.believes()
        assert not any(call.done() for call in observers)
    assert (await leader.answered()).term.token == token
