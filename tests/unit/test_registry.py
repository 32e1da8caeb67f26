"""Drivers by the scheme of a URL: what is found, and what an operator is told when it is not."""

from datetime import timedelta
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from incumbent_backends import registry
from incumbent_backends.api import Options, Rejected
from incumbent_backends.conformance import FakeClock
from incumbent_backends.memory import Memory
from incumbent_backends.registry import driver, known_schemes, open_backend

OPTIONS = Options("test", timedelta(seconds=15), FakeClock())


def install(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    """Pretend that these are the installed drivers: scheme = value, `__` for `+`."""
    found = EntryPoints(
        EntryPoint(name.replace("__", "+"), value, registry.GROUP) for name, value in points.items()
    )
    monkeypatch.setattr(registry, "entry_points", found.select)


def refusal(url: str) -> str:
    with pytest.raises(Rejected) as refused:
        driver(url)
    return str(refused.value)


def test_our_own_drivers_are_known() -> None:
    assert {"memory", "sqlite"} <= set(known_schemes())
    assert known_schemes() == sorted(known_schemes())


@pytest.mark.parametrize("url", ["memory://", "MEMORY://", "memory://shared"])
def test_a_driver_is_found_by_its_scheme(url: str) -> None:
    assert driver(url) is Memory


def test_opening_constructs_and_no_more() -> None:
    backend = open_backend("memory://", OPTIONS)
    assert isinstance(backend, Memory)
    assert backend.session == ""


def test_an_unknown_scheme_names_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, zoo="z:Z", ant="a:A")
    text = refusal("redis://user:hunter2@db.example/0")
    assert "'redis'" in text
    assert "ant, zoo" in text
    assert "hunter2" not in text
    assert "db.example" not in text


@pytest.mark.parametrize(
    "url", ["", "memory", "memory:", "hunter2@db", "/var/hunter2", "://hunter2", "1://hunter2", " "]
)
def test_a_url_without_a_scheme_is_refused_without_repeating_it(url: str) -> None:
    text = refusal(url)
    assert "begins with a scheme" in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("scheme", "extra"), [("etcd", "etcd"), ("postgres+advisory", "postgres"), ("pg2", "pg2")]
)
def test_a_missing_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, scheme: str, extra: str
) -> None:
    install(monkeypatch, **{scheme.replace("+", "__"): "no_such_package_here.driver:Driver"})
    text = refusal(f"{scheme}://user:hunter2@db")
    assert f"pip install 'incumbent-backends[{extra}]'" in text
    assert "no_such_package_here" in text
    assert "hunter2" not in text


def test_a_declared_extra_wins_over_the_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, pg="no_such_package_here:Driver [postgres]")
    assert "incumbent-backends[postgres]" in refusal("pg://db")


def test_a_driver_that_is_not_in_its_module_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, broken="incumbent_backends.memory:Nothing")
    assert "broken" in refusal("broken://")


def test_two_drivers_of_one_scheme_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = EntryPoints(EntryPoint("twice", value, registry.GROUP) for value in ("a:A", "b:B"))
    monkeypatch.setattr(registry, "entry_points", found.select)
    assert "a:A, b:B" in refusal("twice://")


@pytest.mark.parametrize(
    "url",
    ["memory://a/b", "memory://a?x=1", "memory://u:hunter2@a", "memory://a:1", "memory://[", "x"],
)
def test_a_memory_url_takes_a_name_at_most(url: str) -> None:
    with pytest.raises(Rejected) as refused:
        Memory(url, OPTIONS)
    assert "hunter2" not in str(refused.value)


async def test_memory_stores_are_private_unless_named() -> None:
    async def token(url: str) -> int:
        async with Memory(url, OPTIONS) as backend:
            won = await backend.acquire("e", holder="h", attempt=1, candidate="c", value=None)
            assert won.term is not None
            await backend.release(won.term)
            return won.term.token

    assert [await token("memory://") for _ in range(2)] == [1, 1]
    assert [await token("memory://test-registry") for _ in range(2)] == [1, 2]
