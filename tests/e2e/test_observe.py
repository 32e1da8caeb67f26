"""Observe and the lists: the whole state first, every vacancy, and tokens that never go back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from incumbent.v1 import election_service_pb2 as pb
from incumbent.v1 import election_service_pb2_grpc as rpc
from tests.clients import Streams, an_election, connected, seconds_of
from tests.gateways import Gateway

Told = tuple[str, int]  # election and token; 0 is a vacancy


class Reader:
    """An Observe stream, read message by message."""

    def __init__(self, messages: AsyncIterator[pb.ObserveResponse]) -> None:
        self._messages = messages

    async def next(self, seconds: float = 5.0) -> pb.ObserveResponse:
        async with asyncio.timeout(seconds):
            return await anext(self._messages)

    async def whole(self) -> list[Told]:
        """The first whole state."""
        told = []
        while not (message := await self.next()).synced:
            told.append((message.election, message.term.token))
        assert message == pb.ObserveResponse(synced=True)
        return told

    async def until(self, election: str, token: int) -> list[Told]:
        """What is told until this token leads there."""
        told: list[Told] = []
        while not told or told[-1] != (election, token):
            message = await self.next()
            assert not message.synced
            told.append((message.election, message.term.token))
        return told


@asynccontextmanager
async def observing(gateway: Gateway, **scope: str) -> AsyncIterator[Reader]:
    async with connected(gateway.grpc) as calls:
        call = calls.Observe(pb.ObserveRequest(**scope))
        yield Reader(aiter(call))
        call.cancel()


async def test_an_election_from_vacancy_to_vacancy(
    gateway: Gateway, elsewhere: Gateway, streams: Streams
) -> None:
    election = an_election()
    async with observing(elsewhere, election=election) as reader:
        assert await reader.whole() == [(election, 0)]
        leader = await streams.candidate(gateway.grpc, election)
        token = await leader.leads()
        assert await reader.until(election, token) == [(election, token)]
        await leader.resign()
        assert await reader.until(election, 0) == [(election, 0)]


async def test_the_whole_state_comes_first(gateway: Gateway, streams: Streams) -> None:
    election = an_election()
    token = await (await streams.candidate(gateway.grpc, election)).leads()
    async with observing(gateway, election=election) as reader:
        assert await reader.whole() == [(election, token)]


async def test_a_prefix_is_whole_segments(gateway: Gateway, streams: Streams) -> None:
    group = an_election("group")
    inside, beside = f"{group}/a", f"{group}b"
    async with observing(gateway, prefix=f"{group}/") as reader:
        assert await reader.whole() == []
        await (await streams.candidate(gateway.grpc, beside)).leads()
        await (await streams.candidate(gateway.grpc, group)).leads()
        token = await (await streams.candidate(gateway.grpc, inside)).leads()
        assert await reader.until(inside, token) == [(inside, token)]


async def test_everything(gateway: Gateway, streams: Streams) -> None:
    elections = sorted(an_election() for _ in range(5))
    tokens = [await (await streams.candidate(gateway.grpc, each)).leads() for each in elections]
    async with observing(gateway) as reader:
        whole = await reader.whole()
    assert whole == sorted(whole)
    assert set(zip(elections, tokens, strict=True)) <= set(whole)


async def test_tokens_never_go_back(gateway: Gateway, elsewhere: Gateway, streams: Streams) -> None:
    """Terms change hands as fast as they can: what is told is the latest state, no history."""
    election = an_election()
    async with observing(elsewhere, election=election) as reader:
        await reader.whole()
        tokens = []
        for _ in range(20):
            leader = await streams.by_hand(gateway.grpc, election)
            tokens.append(await leader.leads())
            await leader.resign()
        last = await streams.by_hand(elsewhere.grpc, election)
        tokens.append(await last.leads())
        told = [token for _, token in await reader.until(election, tokens[-1])]
    led = [token for token in told if token]
    assert led == sorted(set(led))
    assert set(led) <= set(tokens)


async def test_a_slow_reader_gets_the_latest_state(gateway: Gateway, streams: Streams) -> None:
    election = an_election()
    async with connected(gateway.grpc) as calls:
        call = calls.Observe(pb.ObserveRequest(election=election))
        leader = await streams.by_hand(gateway.grpc, election, value=bytes(4096))
        token = await leader.leads()
        value = b""
        for number in range(600):  # 2.4 MB: more than the buffers on the way take
            value = number.to_bytes(2, "big") * 2048
            await leader.proclaim(value)
        await leader.until(lambda response: response.term.value == value)
        heard = 0
        async with asyncio.timeout(10):
            async for message in call:
                heard += 1
                if message.term.value == value:
                    break
        call.cancel()
    assert message.term.token == token
    assert heard <= 602


async def test_lists_count_who_waits_here(
    gateway: Gateway,
    neighbour: Gateway,
    streams: Streams,
    calls: "rpc.ElectionServiceAsyncStub",
) -> None:
    group = an_election("list")
    for name, waiting in (("a", 0), ("b", 2)):
        election = f"{group}/{name}"
        await (await streams.candidate(gateway.grpc, election)).leads()
        for _ in range(waiting):
            await (await streams.candidate(gateway.grpc, election)).waits()
    await (await streams.candidate(neighbour.grpc, f"{group}/b")).waits()
    found = await calls.ListElections(pb.ListElectionsRequest(prefix=f"{group}/", page_size=1))
    assert [(each.election, each.waiting) for each in found.elections] == [(f"{group}/a", 0)]
    again = pb.ListElectionsRequest(prefix=f"{group}/", page_token=found.next_page_token)
    found = await calls.ListElections(again)
    assert [(each.election, each.waiting) for each in found.elections] == [(f"{group}/b", 2)]
    assert found.next_page_token == ""
    beyond = pb.ListElectionsRequest(prefix=f"{group}/c/")
    assert not (await calls.ListElections(beyond)).elections


async def test_the_backend_is_described(calls: "rpc.ElectionServiceAsyncStub") -> None:
    backend = await calls.GetBackend(pb.GetBackendRequest())
    assert (backend.kind, backend.expiry) == ("sqlite", pb.EXPIRY_LEASE)
    limits = (backend.min_backend_ttl, backend.backend_ttl, backend.max_backend_ttl)
    assert [seconds_of(each) for each in limits] == [1, 15, 3600]
    assert 10 < seconds_of(backend.failover_client_crash) <= 10.25
    assert 15 < seconds_of(backend.failover_gateway_crash) <= 15.8
    assert backend.survives_gateway
    assert backend.survives_restart
    assert all(note.endswith(".") for note in backend.notes)
