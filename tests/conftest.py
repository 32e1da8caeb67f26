"""Options of the whole test suite."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--store",
        action="append",
        metavar="NAME",
        help="run the conformance suite on this store only; repeat it for several (default: all)",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the conformance tests of the chosen stores. One that has no tests is an error."""
    chosen = config.getoption("--store")
    if not chosen:
        return
    stores = {item.nodeid: getattr(getattr(item, "module", None), "STORE", None) for item in items}
    if unknown := set(chosen) - set(stores.values()):
        raise pytest.UsageError(f"no conformance tests for --store {', '.join(sorted(unknown))}")
    dropped = [item for item in items if stores[item.nodeid] not in (None, *chosen)]
    config.hook.pytest_deselected(items=dropped)
    items[:] = [item for item in items if item not in dropped]
