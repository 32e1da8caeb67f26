"""Real store servers for tests: each a process of its own, on a free port and a temporary folder.

    python -m tests.servers      starts each once and says what it is; exit code 1 if one is missing

A server that the tests share is started when first asked for and stopped by its id at their end.
INCUMBENT_TEST_POSTGRES=URL has another one, whose user may make databases, take the place of
PostgreSQL 18.
"""

from tests.servers.consul import Cluster, Consul, consul, consul_cluster
from tests.servers.etcd import Etcd, etcd, etcd_cluster
from tests.servers.postgres import External, Postgres, postgres
from tests.servers.server import Missing
from tests.servers.shared import shared, shared_consul, shared_etcd, stop_shared

__all__ = [
    "Cluster",
    "Consul",
    "Etcd",
    "External",
    "Missing",
    "Postgres",
    "consul",
    "consul_cluster",
    "etcd",
    "etcd_cluster",
    "postgres",
    "shared",
    "shared_consul",
    "shared_etcd",
    "stop_shared",
]
