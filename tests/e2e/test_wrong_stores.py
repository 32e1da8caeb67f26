"""A URL that leads to another store than it says is one sentence and exit code 2, at once."""

import time
from collections.abc import Callable

import pytest

from tests.gateways import Gateways
from tests.servers import shared, shared_consul, shared_etcd

SERVERS: dict[str, Callable[[], str]] = {
    "postgres": lambda: shared("postgres").address,
    "etcd": lambda: shared_etcd("etcd-3.6").address,
    "consul": lambda: shared_consul().address,
}
SCHEMES = ("postgres", "postgres+advisory", "etcd", "etcds", "consul", "consuls")
SECRET = "a-secret-that-nobody-may-see"
SOON = 15.0  # seconds; what may pass by itself is waited for twice as long


def who(scheme: str, server: str) -> bool:
    """Whether this is the right scheme; one with TLS is none, as the servers have none."""
    return scheme.partition("+")[0] == server


@pytest.mark.parametrize(
    ("scheme", "server"),
    [(scheme, server) for scheme in SCHEMES for server in SERVERS if not who(scheme, server)],
)
def test_the_address_of_another_store(gateways: Gateways, scheme: str, server: str) -> None:
    login = "" if scheme == "etcd" else f"user:{SECRET}@"
    login = f":{SECRET}@" if scheme.startswith("consul") else login
    began = time.monotonic()
    sentence = gateways.refused(store=f"{scheme}://{login}{SERVERS[server]()}")
    assert time.monotonic() - began < SOON
    assert "what answers there" in sentence
    assert SECRET not in sentence


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_address_of_a_gateway(gateways: Gateways, scheme: str) -> None:
    other = gateways.start(store="memory://")
    for address in (other.grpc, other.http.removeprefix("http://")):
        assert "what answers there" in gateways.refused(store=f"{scheme}://{address}")


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("sslmode=SECRET", "sslmode"),
        ("keepalives_idle=SECRET", "keepalives_idle"),
        ("connect_timeout=SECRET", "connect_timeout"),
        ("hostaddr=SECRET", "hostaddr"),
        ("options=SECRET", "options"),
        ("options=-cincumbent_secret_x_y%3DSECRET%20-cSECRET%3D1", "options"),
        ("client_encoding=SECRET", "refuses a parameter"),
        ("service=SECRET", "service"),
        ("replication=database", "replication"),
        ("application_name=%FF", "cannot be read"),
        ("SECRET=1", "does not know"),
        ("colour=SECRET", "does not know"),
    ],
)
def test_what_a_postgres_url_must_not_say(gateways: Gateways, query: str, text: str) -> None:
    url = f"{shared('postgres').url()}?{query.replace('SECRET', SECRET)}"
    sentence = gateways.refused(store=url)
    assert text in sentence.partition(": --backend ")[2].partition(": ")[2]
    assert SECRET not in sentence.replace(f"?{SECRET}=***", "")
