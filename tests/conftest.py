"""Options of the whole test suite, and the end of the processes that it shares."""

import signal

import pytest

from tests import servers
from tests.figures import figures, pytest_runtest_logreport, pytest_terminal_summary
from tests.nursery import NURSERY
from tests.stores import SERVERS

__all__ = ["figures", "pytest_runtest_logreport", "pytest_terminal_summary"]


def pytest_configure() -> None:
    """Have what the tests start obey the signals that this run may ignore.

    A background job of a shell ignores Ctrl-C, nohup the hang-up, and so would all that they start.
    A handler of one's own is not inherited: Ctrl-C works here again, the others stay ignored.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            interrupts = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if interrupts else _ignore)


def _ignore(*_: object) -> None:
    pass


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--store",
        action="append",
        metavar="NAME",
        help="run the conformance suite on this store only; repeat it for several (default: all)",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the chosen stores. One that has no tests is an error. Slow ones come first.

    A module or a class names its store as STORE, or a test by the `on` of tests/stores.py. Without
    a choice all are tested; one that cannot be had fails its tests.
    """
    chosen = set(config.getoption("--store") or ())
    stores = {item.nodeid: _store(item) for item in items}
    if unknown := chosen - set(stores.values()):
        raise pytest.UsageError(f"no conformance tests for --store {', '.join(sorted(unknown))}")
    others = set(stores.values()) - chosen - {None} if chosen else set()
    dropped = [item for item in items if stores[item.nodeid] in others]
    config.hook.pytest_deselected(items=dropped)
    kept = [item for item in items if item not in dropped]
    items[:] = sorted(kept, key=lambda item: item.get_closest_marker("slow") is None)


def _store(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    if callspec is not None and "gateways" in callspec.params:
        return SERVERS[callspec.params["gateways"]]
    named = (getattr(getattr(item, level, None), "STORE", None) for level in ("cls", "module"))
    return next((name for name in named if name is not None), None)


def pytest_unconfigure() -> None:
    NURSERY.close()
    servers.stop_shared()
