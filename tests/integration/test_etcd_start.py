"""Starting on etcd: what is refused, and in which words; users, rights and TLS."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from incumbent_backends.api import Backend, Claim, Rejected, Unavailable
from incumbent_backends.etcd_client import AUTHENTICATE, Client, Link
from incumbent_backends.etcd_url import parse_url
from tests.certificates import authority, signed
from tests.integration.etcd_store import (
    SOON,
    answering,
    build,
    eventually,
    forget_tokens,
    refusal,
    tls,
    with_users,
)
from tests.integration.verbs import SECOND, lead, move, watching
from tests.servers import Etcd, etcd, shared, shared_etcd


@pytest.fixture(scope="module")
def guarded() -> Iterator[Etcd]:
    """One with users."""
    with etcd(bcrypt_cost=4) as server:
        with_users(server)
        yield server


UNREADABLE = [
    "etcd://",
    "etcd:///",
    "etcd://host:0",
    "etcd://host:99999",
    "etcd://host:2379,",
    "etcd://ho st:2379",
    "etcd://host/path",
    "etcd://user@host",
    "etcd://host?ca=/x",
    "etcds://host?trust=/secret",
    "etcds://host?secret",
    "etcds://host?ca=",
    "etcds://host?ca=/x&ca=/y",
    "etcd://a..b",
    "etcds://host?cert=/x",
    "etcd://u:secret@host:port",
]


@pytest.mark.parametrize("url", UNREADABLE)
def test_a_url_that_cannot_be_read(url: str) -> None:
    with pytest.raises(Rejected) as caught:
        build(url, "n")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_password_is_not_in_what_is_shown_of_a_url() -> None:
    assert "secret" not in repr(parse_url("etcd://u:secret@host"))


@pytest.mark.parametrize(
    "says",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
async def test_another_servers_answer(says: bytes, namespace: str) -> None:
    async with answering(says) as address:
        assert "not an etcd" in await refusal(build(f"etcd://{address}", namespace))


async def test_a_postgresql_that_answers(namespace: str) -> None:
    url = f"etcd://{shared('postgres').address}"
    assert "not an etcd" in await refusal(build(url, namespace))


async def test_nobody_answers(namespace: str) -> None:
    with pytest.raises(Unavailable):
        await build("etcd://127.0.0.1:1", namespace).__aenter__()


async def test_a_wrong_password(guarded: Etcd, namespace: str) -> None:
    secret = secrets.token_hex(8)
    text = await refusal(build(guarded.url("gate", secret), namespace))
    assert "refuses this user's password" in text
    assert secret not in text


async def test_no_user_where_one_is_needed(guarded: Etcd, namespace: str) -> None:
    assert "asks for a user" in await refusal(build(guarded.url(), namespace))


async def test_a_user_without_rights(guarded: Etcd, namespace: str) -> None:
    assert "lacks a right" in await refusal(build(guarded.url("nobody", "n"), namespace))


async def test_a_user_where_there_are_none(namespace: str) -> None:
    server = shared_etcd("etcd-3.6")
    assert "knows none" in await refusal(build(server.url("gate", "g"), namespace))


async def test_the_least_role_is_enough_for_every_verb(guarded: Etcd, namespace: str) -> None:
    """The role of docs/operations.md: to read and write what begins with incumbent/."""
    url = guarded.url("gate", "g")
    async with build(url, namespace) as one, build(url, namespace, backend_ttl=30 * SECOND) as two:
        async with watching(one) as watch:
            term = await lead(two)
            await watch.until("e", term.token)
            moved = (await move(one, term)).term  # onto a longer lease
            assert moved is not None
            await one.renew([])
            await watch.until("e", None)
        await two.release(await lead(two))


async def test_a_token_that_expires_while_waiting(guarded: Etcd, namespace: str) -> None:
    """etcd#17623: who waits longer than a token lives must not stay behind for ever."""
    url = guarded.url("gate", "g")
    async with build(url, namespace) as one, build(url, namespace) as two:
        term = await lead(one)
        async with watching(two) as watch:
            link = two._client._link
            assert link is not None
            before = link.token
            forget_tokens(guarded)
            assert (await two.read("e")).term == term
            assert link.token != before
            await one.release(term)
            with suppress(Unavailable):  # etcd may end what the old token has begun
                await watch.until("e", None, 1.0)
        async with watching(two) as watch:
            assert "e" not in watch.first
            after = await lead(two)
            assert after.token > term.token
            await watch.until("e", after.token, 1.0)
        await eventually(lambda: one.renew([]))  # its stream has the token that it began with


async def test_a_call_given_up_while_its_token_is_renewed(
    guarded: Etcd, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next call finds the old token, and renews it again."""
    async with build(guarded.url("gate", "g"), namespace) as backend:
        term = await lead(backend)
        forget_tokens(guarded)
        ask, asked = Client._unary, asyncio.Event()

        async def and_wait(client: Client, link: Link, method: Any, *rest: Any) -> Any:
            if method is AUTHENTICATE:
                asked.set()
                await asyncio.Event().wait()
            return await ask(client, link, method, *rest)

        with monkeypatch.context() as patched:
            patched.setattr(Client, "_unary", and_wait)
            reading = asyncio.create_task(backend.read("e"))
            await asked.wait()
            reading.cancel()
            await asyncio.wait([reading])
        assert (await backend.read("e")).term == term


async def test_a_password_that_changes_is_unavailable_and_recovers(
    guarded: Etcd, namespace: str
) -> None:
    async with build(guarded.url("gate", "g"), namespace) as backend:
        claim = Claim("e", (await lead(backend)).token)
        await backend.renew([claim])
        guarded.say("auth/user/changepw", name="gate", password="another")
        try:
            for _ in range(2):
                with pytest.raises(Unavailable, match="refuses this user's password"):
                    await backend.read("e")
        finally:
            guarded.say("auth/user/changepw", name="gate", password="g")
        assert (await eventually(lambda: backend.renew([claim]))).survivors == {claim}


async def test_tls_and_a_clients_certificate(tmp_path: Path, namespace: str) -> None:
    ca, stranger = authority(tmp_path), authority(tmp_path, "stranger")
    own = signed(tmp_path, ca, "gate", host="DNS:gate")
    server = Etcd()
    try:
        tls(tmp_path, server, ca, client=True)
        assert server.trust is not None
        server.trust.load_cert_chain(own.certificate, own.key)
        server.start()
        at = f"etcds://{server.address}"
        mine = f"cert={own.certificate}&key={own.key}"
        async with build(f"{at}?ca={ca.certificate}&{mine}", namespace) as backend:
            await backend.release(await lead(backend))
        told = await refusal(build(f"{at}?ca={stranger.certificate}&{mine}", namespace))
        assert "nobody in the URL's ca, or in the system's, has signed etcd's certificate" in told
        told = await refusal(build(f"{at}?ca={tmp_path}/none", namespace))
        assert "the file that the etcd URL names as ca cannot be read" in told
        told = await refusal(build(f"etcd://{server.address}", namespace))
        assert "write etcds://" in told.replace("what answers", "")
        told = await refusal(build(f"{at}?ca={ca.certificate}", namespace))
        assert "name cert and key" in told
    finally:
        server.remove()


async def test_tls_asked_of_an_etcd_without_it(tmp_path: Path, namespace: str) -> None:
    ca = authority(tmp_path)
    url = f"etcds://{shared_etcd('etcd-3.6').address}?ca={ca.certificate}"
    assert "speaks none" in await refusal(build(url, namespace))


async def test_an_old_etcd_is_refused(namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("incumbent_backends.etcd_client.OLDEST", (9, 0, 0))
    told = await refusal(build(shared_etcd("etcd-3.5").url(), namespace))
    assert "this etcd is 3.5." in told
    assert "needs 9.0.0 or newer" in told


async def test_a_ttl_granted_is_not_the_one_asked_for(namespace: str) -> None:
    """Etcd's floor is one and a half of its election timeouts; limits and promises say so."""
    with etcd(election_timeout=2000, heartbeat_interval=200) as server:
        async with build(server.url(), namespace, backend_ttl=2 * SECOND) as backend:
            assert backend.limits.min_backend_ttl == 3 * SECOND
            assert backend.limits.granted_ttl == 3 * SECOND
            renewal = await backend.renew([])
            assert renewal.good_until == 1000.0 + 3.0  # of a clock that stands still at 1000
            assert (await lead(backend)).backend_ttl == 3 * SECOND
            await backend.renew([])


async def test_another_cluster_at_the_same_address_grants_nothing(namespace: str) -> None:
    with etcd(**SOON) as one, etcd(**SOON) as other:
        async with build(one.url(), namespace) as backend:
            term = await lead(backend)
            one.stop()
            other.stop()
            other.port = one.port
            other.start()
            with pytest.raises(Unavailable):
                await lead(backend, "f")
            async with asyncio.timeout(10):
                while "another etcd cluster" not in str(await unavailable(backend)):
                    await asyncio.sleep(0.02)
            with pytest.raises(Unavailable):
                await backend.renew([])
            assert not [lease for lease in other.leases() if lease % 64 == 0], "nothing is opened"
            other.stop()
            one.start()
            assert (await eventually(lambda: backend.read("e"))).term == term


async def unavailable(backend: Backend) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        await backend.read("e")
    return caught.value
