"""Dockerfile, .dockerignore and docker-compose.yml: what can be told of them without an engine."""

import json
import re
import shlex
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from incumbent_compare.cli import parser, plan
from incumbent_compare.targets import TARGETS

ROOT = Path(__file__).parents[2]
FLOATING = re.compile(r"^[^:@]+(:latest)?$")  # no tag, or one that says nothing


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments, each on one line."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines) if word]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest))
    return found


def copied() -> list[str]:
    """What is copied from the checkout."""
    words = [rest.split() for word, rest in instructions() if word == "COPY"]
    return [source for each in words if not each[0].startswith("--") for source in each[:-1]]


def test_every_base_image_is_pinned_by_a_tag() -> None:
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    assert bases.pop(1) == "build"
    assert len(bases) == 2
    assert not [base for base in bases if FLOATING.match(base)]


def test_nothing_is_added_from_elsewhere() -> None:
    assert not [rest for word, rest in instructions() if word == "ADD"]
    told = " ".join(rest for word, rest in instructions() if word == "RUN")
    assert not re.search(r"curl|wget|://|git clone", told)
    installs = re.findall(r"pip install [^&]*", told)
    assert len(installs) == 3
    installs += re.findall(r"pip --python [^&]* install [^&]*", told)
    assert len(installs) == 5
    assert all("--require-hashes" in each or "--no-index" in each for each in installs)


def test_it_does_not_run_as_root_and_all_it_writes_is_a_volume() -> None:
    last = stages()[-1]
    users = [rest for word, rest in last if word == "USER"]
    assert users
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])
    assert [rest for word, rest in last if word == "VOLUME"] == ["/var/lib/incumbent"]
    after = [word for word, _ in last[last.index(("USER", users[-1])) :]]
    assert "RUN" not in after
    assert {"HEALTHCHECK", "ENTRYPOINT", "EXPOSE"} <= set(after)


def test_the_comparison_is_no_part_of_the_gateway_and_does_not_run_as_root() -> None:
    build, compare, gateway = stages()
    assert not [rest for word, rest in build + gateway if "bench" in rest]
    assert ("USER", "10001:10001") in compare
    assert [rest for word, rest in compare if word == "VOLUME"] == ["/results"]
    assert compare[-1] == (
        "ENTRYPOINT",
        '["incumbent-compare", "--out=/results", "--folder=/results"]',
    )


def test_what_is_copied_is_there_and_not_ignored() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*", "nothing but what is named"
    named = [rule[1:] for rule in rules if rule.startswith("!")]
    assert sorted(named) == sorted(copied())
    for source in copied():
        assert (ROOT / source).exists(), source
        assert not [rule for rule in rules[1:] if rule[0] != "!" and fnmatch(source, rule)]


def test_the_health_check_asks_for_life_and_not_for_readiness() -> None:
    """A gateway whose store is away recovers by itself: nobody should restart it for that."""
    ((_, check),) = [each for each in instructions() if each[0] == "HEALTHCHECK"]
    options, _, command = check.partition("CMD ")
    assert {"--interval=10s", "--timeout=3s"} <= set(shlex.split(options))
    program = json.loads(command)
    assert "/live" in program[-1]
    compile(program[-1], "healthcheck", "exec")


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    """docker-compose.yml as Docker's own library reads it."""
    own = ROOT / ".tools/bin/compose"
    if not own.exists():
        pytest.fail("the reader of compose files is missing: install Go 1.25 and run `make setup`")
    ran = subprocess.run(
        [str(own), "-format", "json", "-no-interpolation", str(ROOT / "docker-compose.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    model: dict[str, Any] = json.loads(ran.stdout)
    return model["services"]  # type: ignore[no-any-return]


def test_a_compose_file_that_is_wrong_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yml"
    wrong.write_text("services: {gateway: {imag: x}}")
    ran = subprocess.run(
        [str(ROOT / ".tools/bin/compose"), str(wrong)], capture_output=True, text=True, check=False
    )
    assert ran.returncode != 0
    assert "imag" in ran.stderr


def test_the_profiles_and_who_is_in_them(composed: dict[str, Any]) -> None:
    profiles: dict[str, set[str]] = {}
    for name, service in composed.items():
        for profile in service["profiles"]:
            profiles.setdefault(profile, set()).add(name)
    assert profiles == {
        "sqlite": {"sqlite"},
        "postgres": {"gateway-1", "gateway-2", "postgres"},
        "etcd": {"on-etcd", "etcd"},
        "consul": {"on-consul", "consul"},
        "compare": {"compare", "postgres", "etcd", "consul"},
    }


def test_every_service_says_how_it_is_and_opens_no_port_to_the_world(
    composed: dict[str, Any],
) -> None:
    for name, service in composed.items():
        if name != "compare":  # it ends
            assert service["healthcheck"]["test"][0] == "CMD"
        assert not FLOATING.match(service["image"]) or "build" in service
        assert {port["host_ip"] for port in service.get("ports", [])} <= {"127.0.0.1"}
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service


@pytest.mark.parametrize(("profile", "ports"), [("postgres", 4), ("etcd", 2), ("consul", 2)])
def test_only_the_ports_of_gateways_are_published(
    profile: str, ports: int, composed: dict[str, Any]
) -> None:
    published = [
        port["published"]
        for service in composed.values()
        if profile in service["profiles"]
        for port in service.get("ports", [])
    ]
    assert len(published) == len(set(published)) == ports
    assert "ports" not in composed[profile]


def test_a_gateway_writes_nowhere_but_to_its_volume(composed: dict[str, Any]) -> None:
    gateways = {
        name: each for name, each in composed.items() if each["image"] == "incumbent-server"
    }
    assert gateways.keys() == {"sqlite", "gateway-1", "gateway-2", "on-etcd", "on-consul"}
    for service in gateways.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["tmpfs"] == ["/tmp"]
        assert "/ready" in service["healthcheck"]["test"][-1]
    for name in ("gateway-1", "gateway-2"):
        waits = gateways[name]["depends_on"]["postgres"]
        assert waits["condition"] == "service_healthy"
        assert gateways[name]["environment"] == {
            "INCUMBENT_BACKEND": "postgres://incumbent@postgres:5432/incumbent",
            "PGPASSWORD": "${POSTGRES_PASSWORD:-}",
        }
    for store, port in (("etcd", 2379), ("consul", 8500)):
        gateway = gateways[f"on-{store}"]
        assert gateway["depends_on"][store]["condition"] == "service_healthy"
        assert gateway["environment"] == {"INCUMBENT_BACKEND": f"{store}://{store}:{port}"}


def test_the_comparison_is_told_of_every_store_and_writes_to_its_volume(
    composed: dict[str, Any],
) -> None:
    service = composed["compare"]
    assert service["build"]["target"] == "compare"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert [each["target"] for each in service["volumes"]] == ["/results"]
    assert {
        name: each["condition"] for name, each in service["depends_on"].items()
    } == dict.fromkeys(("postgres", "etcd", "consul"), "service_healthy")
    chosen = parser().parse_args(service["command"])
    assert plan(chosen, {}, {}).stores.keys() == TARGETS.keys() - {"memory"}
    assert service["environment"] == {"PGPASSWORD": "${POSTGRES_PASSWORD:-}"}
