"""The stores to compare: where each is, how it is asked directly, and what it says of its work."""

from incumbent_compare.targets.consul import ConsulTarget
from incumbent_compare.targets.etcd import EtcdTarget
from incumbent_compare.targets.memory import MemoryTarget
from incumbent_compare.targets.postgres import AdvisoryTarget, PostgresTarget
from incumbent_compare.targets.sqlite import SqliteTarget
from incumbent_compare.targets.target import Count, Target, Unreachable

__all__ = ["TARGETS", "Count", "Target", "Unreachable"]

TARGETS: dict[str, type[Target]] = {
    target.name: target
    for target in (
        MemoryTarget,
        SqliteTarget,
        PostgresTarget,
        AdvisoryTarget,
        EtcdTarget,
        ConsulTarget,
    )
}
"""By the names that `--store` takes, which are the schemes of their URLs."""
