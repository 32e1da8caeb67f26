"""Gateways whose etcd or Consul goes dark: what is lost on the way is lost without a word."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients import Streams
from tests.cuts import Cut, cut_off, its_client_moves
from tests.darkness import place
from tests.figures import Figures
from tests.servers import Consul, Etcd, consul


@contextmanager
def an_etcd(here: str) -> Iterator[Etcd]:
    server = Etcd()
    server.flags = {"listen_client_urls": f"http://{server.address},http://{here}:{server.port}"}
    try:
        yield server.start()
    finally:
        server.remove()


@contextmanager
def a_consul(here: str) -> Iterator[Consul]:
    with consul(settings={"client_addr": f"127.0.0.1 {here}"}) as server:
        yield server


@pytest.fixture(params=[an_etcd, a_consul], ids=["etcd", "consul"])
def cut(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cut]:
    with (
        place() as somewhere,
        request.param(somewhere.here) as server,
        cut_off(somewhere, server.port, server.url(), tmp_path) as cut,
    ):
        yield cut


async def test_a_dark_store_whose_client_moves(
    cut: Cut, streams: Streams, figures: Figures
) -> None:
    """Fault 8."""
    await its_client_moves(cut, streams, figures, "both ways")
