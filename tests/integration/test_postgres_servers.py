"""PostgreSQL servers killed, restarted, frozen, or out of disk: no token goes back."""

import asyncio
import secrets
from collections.abc import Iterator
from functools import partial

import pytest

from incumbent_backends.api import Backend, Claim, Unavailable
from tests.disks import fill
from tests.integration.postgres_store import build, eventually, fill_log, refused, sql
from tests.integration.verbs import lead
from tests.mechanisms import LOCKS, ROWS, Mechanism, both
from tests.proxies import proxied
from tests.servers import Postgres, postgres


@pytest.fixture(params=["postgres", "postgres15"])
def own(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with postgres(request.param) as server:
        yield server


@pytest.fixture(params=["postgres", "postgres15"])
def small(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """One whose data is on a small disk."""
    with postgres(request.param, disk=100) as server:
        yield server


@both
async def test_twenty_kills_of_the_server_take_no_token_back(
    own: Postgres, mechanism: Mechanism, namespace: str
) -> None:
    url = own.url()
    async with (
        mechanism.build(url, namespace) as backend,
        mechanism.build(url, namespace) as other,
    ):
        acknowledged = 0
        for _ in range(20):
            tokens: list[int] = []
            bidding = [asyncio.create_task(lead_on(by, tokens)) for by in (backend, other)]
            async with asyncio.timeout(30):
                while len(tokens) < 40:
                    await asyncio.sleep(0.002)
            await asyncio.to_thread(own.kill)
            await asyncio.gather(*bidding)
            assert min(tokens) > acknowledged
            assert len(tokens) == len(set(tokens))
            await asyncio.to_thread(own.start)
            for by in () if mechanism.terms_stay else (backend, other):
                assert (await eventually(partial(by.renew, []))).survivors == frozenset()
            after = await eventually(lambda: lead(backend, f"after/{secrets.token_hex(4)}"))
            assert after.token > max(tokens)
            acknowledged = after.token
            assert (await eventually(partial(other.read, after.election))).term == after


async def lead_on(backend: Backend, tokens: list[int], value: bytes = b"") -> Unavailable:
    """Win one election after another until the store grants no more; tokens as acknowledged."""
    own = 0
    while True:
        try:
            token = (await lead(backend, secrets.token_hex(8), value=value)).token
        except Unavailable as error:
            return error
        assert token > own
        own = token
        tokens.append(token)


async def test_a_restart_keeps_terms(own: Postgres, namespace: str) -> None:
    async with build(own.url(), namespace) as backend:
        term = await lead(backend)
        await asyncio.to_thread(own.stop)
        with pytest.raises(Unavailable):
            await backend.renew([Claim("e", term.token)])
        await asyncio.to_thread(own.start)
        renewal = await eventually(lambda: backend.renew([Claim("e", term.token)]))
        assert renewal.survivors == {Claim("e", term.token)}


async def test_a_server_frozen_for_three_seconds_keeps_terms(own: Postgres, namespace: str) -> None:
    async with (
        ROWS.build(own.url(), f"{namespace}/rows") as rows,
        LOCKS.build(own.url(), f"{namespace}/locks") as locks,
    ):
        kept = [(backend, Claim("e", (await lead(backend)).token)) for backend in (rows, locks)]
        own.freeze()
        renewals = [asyncio.create_task(backend.renew([claim])) for backend, claim in kept]
        await asyncio.sleep(3)
        own.thaw()
        for (_, claim), renewal in zip(kept, renewals, strict=True):
            assert (await renewal).survivors == {claim}


@both
async def test_a_full_disk_grants_nothing_and_takes_no_token_back(
    small: Postgres, mechanism: Mechanism, namespace: str
) -> None:
    """First the tables cannot grow; then the log cannot, and PostgreSQL panics."""
    async with mechanism.build(small.url(), namespace) as backend:
        term = await lead(backend)
        tokens, keep = [term.token], frozenset({Claim("e", term.token)})
        filler = fill(small.own)
        assert str(await lead_on(backend, tokens, value=bytes(4096))) == "PostgreSQL's disk is full"
        fill_log(small)
        for verb in (lambda: backend.renew(keep), lambda: lead(backend, "new")):
            with pytest.raises(Unavailable):
                await verb()
        filler.unlink()
        await asyncio.to_thread(small.again)
        renewal = await eventually(lambda: backend.renew(keep))
        assert renewal.survivors & keep == mechanism.left(keep)
        left = (await eventually(lambda: backend.read("e"))).term
        assert left == (term if mechanism.terms_stay else None)
        tokens.append((await eventually(lambda: lead(backend, "after"))).token)
        assert tokens == sorted(set(tokens))


@both
async def test_a_lagging_standby_takes_tokens_back_until_the_counter_is_raised(
    own: Postgres, mechanism: Mechanism, namespace: str
) -> None:
    """What no driver can prevent, and what docs/operations.md has an operator do about it."""
    url, standby = own.url(), Postgres(own.name)
    try:
        async with (
            proxied(own.address) as proxy,
            mechanism.build(url.replace(own.address, proxy.target), namespace) as backend,
        ):
            kept = await lead(backend, "kept")
            own.stop()
            standby.copy(own)
            own.start()
            await eventually(lambda: backend.renew([Claim("kept", kept.token)]))
            lost = [await eventually(lambda n=n: lead(backend, f"lost/{n}")) for n in range(3)]  # type: ignore[misc]
            own.kill()
            (standby.data / "standby.signal").touch()
            standby.start()
            proxy.port = standby.port
            await refused(lambda: backend.renew([]), Unavailable, "standby")
            sql(standby.url(), "SELECT pg_promote()")
            keep = {Claim(term.election, term.token) for term in (kept, *lost)}
            renewal = await eventually(lambda: backend.renew(keep))
            assert renewal.survivors == mechanism.left({Claim("kept", kept.token)})
            again = await lead(backend, "again")
            assert again.token == lost[0].token, "it stands for two terms"
            raising = "UPDATE incumbent_namespace SET last_token = last_token + 1000000"
            sql(standby.url(), raising)
            assert (await lead(backend, "raised")).token > max(term.token for term in lost)
    finally:
        standby.remove()
