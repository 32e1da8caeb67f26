"""Gateways, clients and grpcurl for the end-to-end tests."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from incumbent.v1 import election_service_pb2_grpc as rpc
from tests.clients import Streams, connected
from tests.commands import Commands
from tests.gateways import Gateway, Gateways, gateways_in
from tests.servers import Postgres, postgres


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[Gateways]:
    """Gateways on a file of this test's own."""
    with gateways_in(tmp_path) as gateways:
        yield gateways


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateways]:
    with gateways_in(tmp_path_factory.mktemp("shared")) as gateways:
        yield gateways


@pytest.fixture(scope="session")
def gateway(shared: Gateways) -> Gateway:
    """A gateway for every test that does it no harm; elections have random names."""
    return shared.start()


@pytest.fixture(scope="session")
def neighbour(shared: Gateways, gateway: Gateway) -> Gateway:
    """Another gateway of the same store."""
    return shared.start()


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A PostgreSQL of the test's own, to be broken."""
    with postgres() as server:
        yield server


@pytest.fixture(params=["same gateway", "other gateway"])
def elsewhere(request: pytest.FixtureRequest, gateway: Gateway) -> Gateway:
    """Where a client goes on: where it was, and on the neighbour."""
    if request.param == "same gateway":
        return gateway
    other: Gateway = request.getfixturevalue("neighbour")
    return other


@pytest.fixture
async def streams() -> AsyncIterator[Streams]:
    streams = Streams()
    yield streams
    await streams.close()


@pytest.fixture
async def calls(gateway: Gateway) -> AsyncIterator["rpc.ElectionServiceAsyncStub"]:
    """The calls of the shared gateway."""
    async with connected(gateway.grpc) as calls:
        yield calls


@pytest.fixture
def commands(gateway: Gateway, tmp_path: Path) -> Iterator[Commands]:
    """Processes of `incumbent` at the shared gateway."""
    with Commands(tmp_path, gateway.grpc) as commands:
        yield commands


@pytest.fixture(scope="session")
def grpcurl() -> str:
    """The grpcurl of scripts/grpcurl, or else that of the PATH; a missing one is a failure."""
    own = Path(__file__).parents[2] / ".tools" / "bin" / "grpcurl"
    found = str(own) if own.exists() else shutil.which("grpcurl")
    if found is None:
        pytest.fail("grpcurl is missing: install Go 1.25 or later and run `make setup`")
    return found
