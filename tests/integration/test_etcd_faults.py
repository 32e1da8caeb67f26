"""What breaks on a single etcd: leases and keys by hand, compaction, cancelled calls, crowds."""

import asyncio
import base64
import json
import time
import urllib.error
from contextlib import suppress

import pytest

from incumbent_backends import etcd_watch
from incumbent_backends.api import Claim, Term, Unavailable
from incumbent_backends.etcd_watch import EtcdWatch
from tests.integration.etcd_store import SOON, build, eventually, key
from tests.integration.verbs import lead, move, watching
from tests.proxies import proxied
from tests.servers import Etcd, etcd, shared_etcd


@pytest.fixture(params=["etcd-3.5", "etcd-3.6"])
def store(request: pytest.FixtureRequest) -> Etcd:
    return shared_etcd(request.param)


async def test_compaction_under_the_watch(
    store: Etcd, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """History that the watch should go on from is gone: it lists anew and misses nothing."""
    async with build(store.url(), namespace) as other, build(store.url(), namespace) as backend:
        gone, kept = await lead(other, "gone"), await lead(other, "kept")
        new: list[Term] = []
        look = EtcdWatch._list
        lists = 0

        async def and_then_compact(watch: EtcdWatch) -> int:
            nonlocal lists
            lists += 1
            revision = await look(watch)
            if lists == 1:
                await other.release(gone)
                new.append(await lead(other, "new"))
                store.say("kv/compaction", revision=str(store.revision()), physical=True)
            return revision

        monkeypatch.setattr(EtcdWatch, "_list", and_then_compact)
        async with watching(backend) as watch:
            assert watch.first == {"gone": gone, "kept": kept}
            await watch.until("gone", None)
            await watch.until("new", new[0].token)
            assert lists == 2
            await other.release(kept)
            await watch.until("kept", None, 1.0)


@pytest.mark.parametrize("value", ["", "no record", "the same"])
async def test_a_key_overwritten_by_hand(store: Etcd, namespace: str, value: str) -> None:
    """It is no term without a lease, whatever it says; the next token is higher."""
    async with build(store.url(), namespace) as one, build(store.url(), namespace) as two:
        term = await lead(one)
        async with watching(two) as watch:
            if value == "the same":
                kvs = store.say("kv/range", key=key(namespace, "e"))["kvs"]
                value = base64.b64decode(kvs[0]["value"]).decode()
            store.say("kv/put", key=key(namespace, "e"), value=value)
            await watch.until("e", None, 1.0)
            assert (await one.read("e")).term is None
            assert (await one.renew([Claim("e", term.token)])).survivors == frozenset()
            assert (await lead(two)).token > term.token


@pytest.mark.parametrize(
    "garbage",
    ["[" * 100_000, {"candidate": "\ud800"}, {"attempt": 2**63}, {"backend_ttl_ms": 10**400}],
    ids=["nested without end", "half a character", "beyond 63 bits", "beyond all"],
)
async def test_garbage_on_a_living_lease_is_no_term_and_blinds_nobody(
    store: Etcd, namespace: str, garbage: str | dict[str, object]
) -> None:
    async with build(store.url(), namespace) as one, build(store.url(), namespace) as two:
        term = await lead(one)
        (kv,) = store.say("kv/range", key=key(namespace, "e"))["kvs"]
        record = json.loads(base64.b64decode(kv["value"]))
        value = garbage if isinstance(garbage, str) else json.dumps(record | garbage)
        async with watching(two) as watch:
            store.say("kv/put", key=key(namespace, "f"), value=value, lease=kv["lease"])
            assert (await one.read("f")).term is None
            theirs = await lead(two, "f")
            assert theirs.token > term.token
            await watch.until("f", theirs.token, 1.0)
        async with watching(two) as anew:
            assert anew.first == {"e": term, "f": theirs}


async def test_a_key_deleted_by_hand(store: Etcd, namespace: str) -> None:
    async with build(store.url(), namespace) as one, build(store.url(), namespace) as two:
        term = await lead(one)
        async with watching(two) as watch:
            store.say("kv/deleterange", key=key(namespace, "e"))
            await watch.until("e", None, 1.0)
            assert (await lead(two)).token > term.token


async def test_a_lease_revoked_by_hand_wins_nothing(store: Etcd, namespace: str) -> None:
    """etcd#11007, etcd#12334: a campaign must not win on a dead lease."""
    async with build(store.url(), namespace) as one, build(store.url(), namespace) as two:
        term, old = await lead(one), one.session
        async with watching(two) as watch:  # etcd's Observe would hide this vacancy
            store.say("lease/revoke", ID=str(int(old, 16)))
            await watch.until("e", None, 1.0)
            with pytest.raises(Unavailable):
                await lead(one)
            theirs = await lead(two, "f")
            with pytest.raises(Unavailable):
                await move(one, theirs)
            assert (await two.read("e")).term is None
            assert (await one.renew([Claim("e", term.token)])).survivors == frozenset()
            assert one.session != old
            assert (await lead(one)).token > term.token


async def test_an_acquire_cancelled_in_flight_leaves_nothing(store: Etcd, namespace: str) -> None:
    """etcd#21128: a campaign that failed leaves its key behind."""
    async with (
        proxied(store.address) as proxy,
        build(f"etcd://{proxy.target}", namespace) as one,
        build(store.url(), namespace) as two,
    ):
        proxy.answers.hold()
        bid = asyncio.create_task(lead(one))
        async with watching(two) as watch:
            if "e" not in watch.first:
                async with asyncio.timeout(5):
                    while (await two.read("e")).term is None:
                        await asyncio.sleep(0.005)
            bid.cancel()
            await asyncio.wait([bid])
            proxy.answers.release()
            await one.renew([])
            await one.renew([])
            assert (await two.read("e")).term is None


async def test_five_thousand_terms_cost_one_renewal(namespace: str) -> None:
    async with build(shared_etcd("etcd-3.6").url(), namespace) as backend:
        names = [f"e/{number}" for number in range(5000)]
        turns = asyncio.Semaphore(64)

        async def one(name: str) -> Claim:
            async with turns:
                return Claim(name, (await lead(backend, name)).token)

        claims = await asyncio.gather(*map(one, names))
        began = time.monotonic()
        assert (await backend.renew(claims)).survivors == frozenset(claims)
        took = time.monotonic() - began
        assert took < 1.0
        print(f"a renewal of 5,000 terms: {took * 1000:.0f} ms")
        assert (await backend.renew([])).survivors == frozenset()


async def test_a_watch_that_is_quiet_is_no_silent_one(
    namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Etcd tells its progress when asked: a quiet namespace is not given up."""
    monkeypatch.setattr(etcd_watch, "ASK_EVERY", 0.25)
    monkeypatch.setattr(etcd_watch, "SILENCE", 1.5)
    async with (
        build(shared_etcd("etcd-3.5").url(), namespace) as backend,
        watching(backend) as watch,
    ):
        with pytest.raises(TimeoutError):
            await watch.until("e", 1, 2.0)


async def test_a_frozen_server_ends_the_watch_and_recovers(namespace: str) -> None:
    with etcd() as server:
        async with build(server.url(), namespace) as backend:
            term = await lead(backend)
            async with watching(backend) as watch:
                server.freeze()
                with pytest.raises(Unavailable):
                    await watch.until("e", None, 10.0)
                server.thaw()
            kept = await eventually(lambda: backend.renew([Claim("e", term.token)]))
            assert kept.survivors == {Claim("e", term.token)}


async def test_kill_9_takes_no_token_back(namespace: str) -> None:
    with etcd(**SOON) as server:
        async with build(server.url(), namespace) as backend:
            tokens = []
            for _ in range(4):
                term = await eventually(lambda: lead(backend))
                tokens.append(term.token)
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)
                kept = await eventually(lambda: backend.renew([Claim("e", tokens[-1])]))
                assert kept.survivors == {Claim("e", term.token)}
                await eventually(lambda term=term: backend.release(term))  # type: ignore[misc]
            assert tokens == sorted(set(tokens))


async def test_no_space_grants_nothing_and_keeps_what_is_held(namespace: str) -> None:
    with etcd(quota_backend_bytes=2 * 1024 * 1024) as server:
        async with build(server.url(), namespace) as backend:
            term = await lead(backend)
            with suppress(urllib.error.HTTPError):
                while True:
                    server.say("kv/put", key="filler", value="x" * 500_000)
            with pytest.raises(Unavailable, match="NOSPACE"):
                await lead(backend, "f")
            kept = await backend.renew([Claim("e", term.token)])
            assert kept.survivors == {Claim("e", term.token)}
            await backend.release(term)
            assert (await backend.read("e")).term is None
