"""Opening a Consul: what is accepted, one sentence for what is not; and rights taken away later."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from incumbent_backends.api import Claim, Rejected, Unavailable
from incumbent_backends.consul import Consul as Driver
from tests.certificates import authority, signed
from tests.integration.consul_store import (
    ACL,
    MANAGEMENT,
    POLICY,
    at,
    build,
    eventually,
    token_for,
    until,
)
from tests.integration.verbs import SECOND, lead, move, watching
from tests.servers import Consul, consul, shared_consul

STORE = "consul"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Consul]:
    """A server that asks for tokens."""
    with consul(settings=ACL, token=MANAGEMENT) as server:
        yield server


async def refusal(backend: Driver) -> str:
    """The one sentence with which a backend refuses to open, without anything unseemly in it."""
    with pytest.raises(Rejected) as caught:
        await backend.__aenter__()
    text = str(caught.value)
    assert "\n" not in text
    assert not any(word in text for word in ("127.0.0.1", "://:", "/v1/", "secret"))
    return text


@pytest.mark.parametrize("status", [200, 301, 404, 500])
async def test_what_is_not_a_consul(status: int) -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(status=status, text='{"etcdserver": "3.6.0"}')

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    backend = build(f"consul://:secret@127.0.0.1:{runner.addresses[0][1]}", "tests")
    try:
        if status == 500:  # a Consul in trouble answers so as well
            with pytest.raises(Unavailable):
                await backend.__aenter__()
        else:
            assert await refusal(backend) == "what answers there is not a Consul"
    finally:
        await runner.cleanup()


async def test_what_does_not_even_speak_http() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"\x00\x00\x06\x04\x00\x00\x00\x00\x00")  # as HTTP/2 begins
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert "not a Consul" in await refusal(build(f"consul://127.0.0.1:{port}", "tests"))


async def test_nobody_who_answers_may_still_come() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        await build("consul://:secret@127.0.0.1:1", "tests").__aenter__()


async def test_an_unknown_datacenter(namespace: str) -> None:
    url = shared_consul().url(dc="nowhere")
    assert "datacenter" in await refusal(build(url, namespace))


async def test_a_ttl_that_the_server_does_not_grant(namespace: str) -> None:
    """The URL says more than is so. The sentence names what the server says."""
    with consul(settings={"session_ttl_min": "10s"}) as usual:
        sentence = await refusal(build(usual.url(), namespace, backend_ttl=2 * SECOND))
        assert "session_ttl_min" in sentence
        async with build(usual.url(), namespace, backend_ttl=10 * SECOND) as backend:
            await lead(backend)


@pytest.mark.parametrize(
    ("token", "text"),
    [("0e0e0e0e-0000-4000-8000-000000000000", "does not know this ACL token"), ("", "right")],
)
async def test_a_wrong_token_or_none(
    guarded: Consul, namespace: str, token: str, text: str
) -> None:
    who = f":{token}@" if token else ""
    assert text in await refusal(build(f"consul://{who}{guarded.address}", namespace))


SESSIONS = 'session_prefix "" { policy = "write" }'
ELSEWHERE = 'key_prefix "incumbent/another/" { policy = "write" }'


@pytest.mark.parametrize(
    "rules",
    [
        "",
        'key_prefix "" { policy = "read" }' + SESSIONS,
        'key_prefix "" { policy = "write" }',
        ELSEWHERE + SESSIONS,
    ],
    ids=["none", "keys to read only", "no sessions", "another namespace"],
)
async def test_too_few_rights(guarded: Consul, namespace: str, rules: str) -> None:
    async with build(guarded.url(), namespace):  # the marker is there
        pass
    token, _ = token_for(guarded, rules)
    sentence = await refusal(build(guarded.url(token), namespace))
    assert "lacks a right" in sentence
    assert token not in sentence


async def test_the_documented_policy_is_enough(guarded: Consul, namespace: str) -> None:
    token, _ = token_for(guarded, POLICY.replace("NAMESPACE", namespace))
    url = guarded.url(token)
    async with (
        build(url, namespace, backend_ttl=30 * SECOND) as backend,
        build(url, namespace) as other,
        watching(other) as watch,
    ):
        term = await lead(backend)
        await watch.until("e", term.token)
        moved = (await move(other, term)).term
        assert moved is not None
        assert moved.session == other.session
        await other.release(moved)
        await watch.until("e", None)
        await backend.renew([])


async def test_the_policy_in_the_docs_is_the_tested_one() -> None:
    docs = Path(__file__).parents[2] / "docs/operations.md"
    assert POLICY.replace("NAMESPACE", "incumbent").strip() in docs.read_text()


async def test_the_token_may_be_in_the_variable(
    guarded: Consul, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONSUL_HTTP_TOKEN", MANAGEMENT)
    async with build(at(guarded.address), namespace) as backend:
        await lead(backend)


async def test_a_token_that_is_revoked_loses_nothing_before_its_time(
    guarded: Consul, namespace: str
) -> None:
    token, name = token_for(guarded, POLICY.replace("NAMESPACE", namespace))
    async with build(guarded.url(token), namespace) as backend:
        term = await lead(backend)
        guarded.call("DELETE", f"/v1/acl/token/{name}")
        for verb in (
            lambda: backend.renew([Claim("e", term.token)]),
            lambda: lead(backend, "x"),
            lambda: backend.read("e"),
            lambda: backend.release(term),
        ):
            with pytest.raises(Unavailable, match="revoked"):
                await verb()
        async with build(guarded.url(), namespace) as other:
            assert (await other.read("e")).term == term
        guarded.call(
            "PUT",
            "/v1/acl/token",
            {"SecretID": token, "Policies": [{"Name": "global-management"}]},
        )  # the same secret with all rights again
        keep = [Claim("e", term.token)]
        assert (await eventually(lambda: backend.renew(keep))).survivors == set(keep)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Consul, Path]]:
    """A server with a certificate for 127.0.0.1, and the folder of certificates."""
    folder = tmp_path_factory.mktemp("tls")
    ca = authority(folder)
    made = signed(folder, ca, "server", host="IP:127.0.0.1")
    authority(folder, "stranger")
    server = Consul(
        settings={
            "tls": {"https": {"cert_file": str(made.certificate), "key_file": str(made.key)}}
        },
        https=True,
    )
    try:
        yield server.start(), folder
    finally:
        server.remove()


async def test_tls(tls: tuple[Consul, Path], namespace: str) -> None:
    server, folder = tls
    url = server.url(scheme="consuls", ca=str(folder / "authority.crt"))
    async with build(url, namespace) as backend:
        await lead(backend)
        await until(lambda: len(server.keys(f"incumbent/{namespace}/term/")) == 1)


@pytest.mark.parametrize(
    ("ca", "text"),
    [
        ("stranger.crt", "has signed Consul's certificate"),
        ("", "has signed Consul's certificate"),
        ("missing.crt", "no readable certificate"),
        ("server.key", "no readable certificate"),
    ],
)
async def test_certificates_that_will_not_do(
    tls: tuple[Consul, Path], namespace: str, ca: str, text: str
) -> None:
    server, folder = tls
    url = server.url(scheme="consuls", ca=str(folder / ca) if ca else "")
    assert text in await refusal(build(url, namespace))


async def test_a_certificate_for_another_host(tls: tuple[Consul, Path], namespace: str) -> None:
    server, folder = tls
    url = server.url(scheme="consuls", ca=str(folder / "authority.crt"))
    assert "not for the URL's host" in await refusal(
        build(url.replace("127.0.0.1", "localhost"), namespace)
    )


async def test_tls_where_there_is_none_and_none_where_there_is(
    tls: tuple[Consul, Path], namespace: str
) -> None:
    server, _ = tls
    plain = f"consuls://{shared_consul().address}"
    assert "speaks none" in await refusal(build(plain, namespace))
    assert "write consuls://" in await refusal(build(at(f"127.0.0.1:{server.https}"), namespace))


async def test_twelve_gateways_write_the_marker_at_once(namespace: str) -> None:
    backends = [build(shared_consul().url(), namespace) for _ in range(12)]
    await asyncio.gather(*(backend.__aenter__() for backend in backends))
    assert len({backend.session for backend in backends}) == 12
    await asyncio.gather(*(backend.__aexit__(None, None, None) for backend in backends))
    assert not shared_consul().sessions(f"incumbent/{namespace}")
