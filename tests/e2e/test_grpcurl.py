"""With grpcurl alone: one line leads, another waits, and nothing else is needed."""

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.clients import an_election
from tests.figures import Figures
from tests.gateways import Gateway
from tests.grpcurl import Grpcurl, Message, run

SERVICE = "incumbent.v1.ElectionService"
Campaign = Callable[..., Grpcurl]


@pytest.fixture
def ask(gateway: Gateway, grpcurl: str) -> Iterator[Campaign]:
    """Start a grpcurl that calls a streaming method with this message."""
    started: list[Grpcurl] = []

    def begin(method: str, message: Message) -> Grpcurl:
        arguments = ("-d", json.dumps(message), gateway.grpc, f"{SERVICE}/{method}")
        started.append(Grpcurl(grpcurl, *arguments))
        return started[-1]

    yield begin
    for each in started:
        each.close()


def leader(gateway: Gateway, grpcurl: str, election: str) -> Message:
    request = json.dumps({"election": election})
    answer = run(grpcurl, "-d", request, gateway.grpc, f"{SERVICE}/GetLeader")
    term: Message = json.loads(answer).get("term", {})
    return term


def test_one_line_leads_a_second_waits_and_succeeds_it(
    gateway: Gateway, grpcurl: str, ask: Campaign, figures: Figures
) -> None:
    election = an_election()
    observer = ask("Observe", {"election": election})
    observer.until(lambda message: message.get("synced", False))
    first = ask("Campaign", {"enter": {"election": election, "candidate": "one"}})
    token = first.leads()
    second = ask("Campaign", {"enter": {"election": election, "candidate": "two"}})
    told = second.until(lambda message: message.get("state") == "STATE_WAITING")
    assert told["term"]["candidate"] == "one"
    assert told["term"]["token"] == str(token)
    assert told["position"] == 1
    began = time.monotonic()
    first.kill()
    assert second.leads(5) > token
    took = time.monotonic() - began
    figures("grpcurl leading killed with -9: until the second one leads", took, 0.3)
    assert took < 1
    observer.until(lambda message: message.get("term", {}).get("candidate") == "two")
    seen = [
        message.get("term", {}).get("candidate")
        for message in observer.messages
        if not message.get("synced")
    ]
    assert seen == [None, "one", None, "two"]
    assert leader(gateway, grpcurl, election)["candidate"] == "two"


def test_one_line_leads_past_any_ttl(gateway: Gateway, grpcurl: str, ask: Campaign) -> None:
    election = an_election()
    enter = {"enter": {"election": election, "ttl": "1s"}}
    first = ask("Campaign", enter)
    token = first.leads()
    second = ask("Campaign", enter | {"enter": {**enter["enter"], "candidate": "second"}})
    second.until(lambda message: message.get("state") == "STATE_WAITING")
    # three ttls without a heartbeat: nothing may come, for either
    with pytest.raises(AssertionError):
        second.until(lambda message: message.get("state") != "STATE_WAITING", 3)
    assert first.messages[-1]["state"] == "STATE_LEADING"
    assert {message["state"] for message in first.messages} <= {"STATE_WAITING", "STATE_LEADING"}
    assert leader(gateway, grpcurl, election)["token"] == str(token)


def test_a_credential_of_the_gateways_making(ask: Campaign) -> None:
    told = ask("Campaign", {"enter": {"election": an_election()}})
    told.leads()
    assert 22 <= len(told.messages[0]["credential"]) <= 64
    assert not any("credential" in message for message in told.messages[1:])
    assert {"trustFor", "trust_for"}.isdisjoint(told.messages[-1])


@pytest.mark.parametrize("name", ["", SERVICE])
def test_health(gateway: Gateway, grpcurl: str, name: str) -> None:
    request = json.dumps({"service": name})
    answer = run(grpcurl, "-d", request, gateway.grpc, "grpc.health.v1.Health/Check")
    assert json.loads(answer) == {"status": "SERVING"}


def test_reflection_lists_and_describes(gateway: Gateway, grpcurl: str) -> None:
    assert run(grpcurl, gateway.grpc, "list").splitlines() == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        SERVICE,
    ]
    methods = run(grpcurl, gateway.grpc, "list", SERVICE).split()
    assert [name.rpartition(".")[2] for name in methods] == [
        "Campaign",
        "GetBackend",
        "GetLeader",
        "ListElections",
        "Observe",
        "Resign",
        "VerifyToken",
    ]
    assert f"{SERVICE} is a service" in run(grpcurl, gateway.grpc, "describe")
    assert "on_disconnect" in run(grpcurl, gateway.grpc, "describe", "incumbent.v1.Enter")


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_each_version_of_reflection_answers(gateway: Gateway, grpcurl: str, version: str) -> None:
    method = f"grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    request = json.dumps({"list_services": "*"})
    assert f'"{SERVICE}"' in run(grpcurl, "-d", request, gateway.grpc, method)
    request = json.dumps({"file_containing_symbol": SERVICE})
    answer = run(grpcurl, "-d", request, gateway.grpc, method).replace("_", "").lower()
    assert '"filedescriptorproto"' in answer


def test_a_refusal_reads_well(gateway: Gateway, grpcurl: str) -> None:
    request = json.dumps({"enter": {"election": "a//b"}})
    refused = Grpcurl(grpcurl, "-d", request, gateway.grpc, f"{SERVICE}/Campaign")
    assert refused.process.wait(10) != 0
    text = refused.errors()
    for part in ("InvalidArgument", "enter.election must be", "INVALID_FIELD", "BadRequest"):
        assert part in text
    refused.close()
