"""Gateways on etcd: what holds of two gateways on a file, and what hands and faults do to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import test_two_gateways
from tests.gateways import Gateways
from tests.servers import Etcd, shared_etcd

# The same tests as on a file; they take `gateways` from here.
test_both_serve_the_same_elections = test_two_gateways.test_both_serve_the_same_elections
test_drain_with_another_gateway = test_two_gateways.test_drain_with_another_gateway
test_a_rolling_restart = test_two_gateways.test_a_rolling_restart
test_kill_9_of_a_gateway = test_two_gateways.test_kill_9_of_a_gateway
test_kill_9_whose_leader_does_not_come_back = (
    test_two_gateways.test_kill_9_of_a_gateway_whose_leader_does_not_come_back
)
test_a_frozen_gateway_whose_client_moves = (
    test_two_gateways.test_a_frozen_gateway_whose_client_moves
)
test_a_frozen_gateway_whose_client_stays = (
    test_two_gateways.test_a_frozen_gateway_whose_client_stays
)


@pytest.fixture
def store() -> Etcd:
    return shared_etcd("etcd-3.6")


@pytest.fixture
def gateways(store: Etcd, tmp_path: Path) -> Iterator[Gateways]:
    """Gateways of a namespace that no other test has."""
    gateways = Gateways(tmp_path)
    gateways.store = store.url()
    try:
        yield gateways
    finally:
        gateways.stop_all()
        store.say("kv/deleterange", key="incumbent/", range_end="incumbent0")
