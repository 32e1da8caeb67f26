"""The command `incumbent`, all but `run`: what it answers, and with which exit code."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

import incumbent
from tests.clients import a_credential, an_election
from tests.commands import PROGRAM, Commands, await_waiting, waiting
from tests.gateways import Gateway

CAMPAIGNING = '{"state": "campaigning", "election": "demo"}\n'
NOBODY = "127.0.0.1:1"  # no gateway listens there


@pytest.fixture
def client(gateway: Gateway) -> Iterator[incumbent.Client]:
    with incumbent.Client(gateway.grpc) as client:
        yield client


@contextmanager
def led(
    client: incumbent.Client, election: str, value: bytes = b"here"
) -> Iterator[incumbent.Term]:
    with client.campaign(election, candidate="node-a", value=value) as term:
        yield term


def shape(term: incumbent.Term) -> dict[str, object]:
    begin = term.begin_time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "token": term.token,
        "candidate": "node-a",
        "value": "aGVyZQ==",
        "value_text": "here",
        "begin_time": begin,
    }


def test_leader(client: incumbent.Client, commands: Commands) -> None:
    election = an_election()
    code, out, err = commands.ask("leader", election)
    assert (code, json.loads(out), err) == (1, {"election": election, "leader": None}, "")
    with led(client, election) as term:
        code, out, err = commands.ask("leader", election)
        assert (code, json.loads(out), err) == (
            0,
            {"election": election, "leader": shape(term)},
            "",
        )


def test_verify(client: incumbent.Client, commands: Commands) -> None:
    election = an_election()
    with led(client, election) as term:
        told = {"election": election, "token": term.token, "current": True, "leader": shape(term)}
        code, out, _ = commands.ask("verify", election, term.token)
        assert (code, json.loads(out)) == (0, told)
        code, out, _ = commands.ask("verify", election, term.token + 1)
        assert (code, json.loads(out)) == (1, told | {"token": term.token + 1, "current": False})


def test_elections(client: incumbent.Client, commands: Commands) -> None:
    prefix = an_election()
    with led(client, f"{prefix}/b") as b, led(client, f"{prefix}/a") as a:
        code, out, _ = commands.ask("elections", f"{prefix}/")
    assert code == 0
    assert [json.loads(line) for line in out.splitlines()] == [
        {"election": f"{prefix}/a", "leader": shape(a), "waiting": 0},
        {"election": f"{prefix}/b", "leader": shape(b), "waiting": 0},
    ]
    assert commands.ask("elections", f"{prefix}/") == (0, "", "")


def test_backend(commands: Commands) -> None:
    told = commands.asked("backend")
    assert (told["kind"], told["expiry"], told["backend_ttl"]) == ("sqlite", "lease", 15.0)
    assert list(told) == [
        "kind", "expiry", "min_backend_ttl", "max_backend_ttl", "backend_ttl",
        "failover_client_crash", "failover_gateway_crash", "survives_gateway", "survives_restart",
        "notes",
    ]  # fmt: skip


def test_observe_tells_the_present_state_and_then_each_change(
    client: incumbent.Client, commands: Commands
) -> None:
    election = an_election()
    observer = commands.begin("observe", election)
    assert observer.answer() == {"election": election, "leader": None}
    assert observer.answer() == {"synced": True}
    with led(client, election) as term:
        assert observer.answer() == {"election": election, "leader": shape(term)}
    assert observer.answer() == {"election": election, "leader": None}
    observer.send(signal.SIGINT)
    assert observer.ended() == (130, "", "")


def test_observe_below_a_prefix(client: incumbent.Client, commands: Commands) -> None:
    prefix = an_election()
    with led(client, f"{prefix}/a"):
        observer = commands.begin("observe", "--prefix", f"{prefix}/")
        assert observer.answer()["election"] == f"{prefix}/a"
        assert observer.answer() == {"synced": True}


def test_campaign_leads_until_ctrl_c_and_resigns(
    client: incumbent.Client, commands: Commands
) -> None:
    election = an_election()
    campaign = commands.begin("campaign", election, "--candidate", "node-b", "--value", "x")
    assert campaign.answer() == {"state": "campaigning", "election": election}
    leading = campaign.answer()
    leader = client.leader(election)
    assert leader is not None
    datetime.fromisoformat(leading.pop("begin_time"))
    assert leading == {
        "state": "leading",
        "election": election,
        "token": leader.token,
        "candidate": "node-b",
        "value": "eA==",
        "value_text": "x",
    }
    campaign.send(signal.SIGINT)
    resigned = {"state": "resigned", "election": election, "token": leader.token}
    code, out, err = campaign.ended()
    assert (code, json.loads(out), err) == (130, resigned, "")
    assert client.leader(election) is None


def test_resign_ends_a_campaign_by_its_credential(
    client: incumbent.Client, commands: Commands, tmp_path: Path
) -> None:
    election = an_election()
    campaign = commands.begin("campaign", election, "--show-credential")
    campaign.answer()
    leading = campaign.answer()
    file = tmp_path / "credential"
    file.write_text(leading["credential"] + "\n")
    ended = commands.asked("resign", election, "--credential-file", file)
    assert ended["ended"]["token"] == leading["token"]
    assert campaign.answer() == {
        "state": "lost", "election": election, "token": leading["token"], "reason": "RESIGNED",
    }  # fmt: skip
    code, _, err = campaign.ended()
    assert code == 75
    assert err.count("\n") == 1
    environ = commands.environ | {"INCUMBENT_CREDENTIAL": leading["credential"]}
    code, out, err = commands.ask("resign", election, env=environ)
    assert (code, out, err.count("\n")) == (1, "", 1)


def test_a_credential_is_told_to_nobody_who_did_not_ask(commands: Commands) -> None:
    campaign = commands.begin("campaign", an_election())
    campaign.answer()
    assert "credential" not in campaign.answer()


def test_no_wait_is_a_no(client: incumbent.Client, commands: Commands) -> None:
    election = an_election()
    with led(client, election):
        code, _, err = commands.ask("campaign", election, "--no-wait")
    assert (code, err.count("\n")) == (1, 1)


def test_a_signal_withdraws_who_waits(client: incumbent.Client, commands: Commands) -> None:
    election = an_election()
    with led(client, election):
        campaign = commands.begin("campaign", election)
        await_waiting(client, election, 1)
        campaign.send(signal.SIGTERM)
        assert campaign.ended()[0] == 128 + signal.SIGTERM
        assert waiting(client, election) == 0


@pytest.mark.parametrize("options", [("--output", "table"), ("--output=json",)])
def test_options_may_stand_before_or_after_the_subcommand(
    commands: Commands, options: tuple[str, ...]
) -> None:
    before = commands.ask(*options, "backend")
    assert before[0] == 0
    assert before == commands.ask("backend", *options)


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (["leader", "demo", "--gateway", NOBODY, "--timeout", "0.5"], 69, "no gateway answered"),
        (["observe", "--gateway", NOBODY, "--timeout", "0.5"], 69, "no gateway answered"),
        (["campaign", "demo", "--gateway", NOBODY, "--timeout", "0.5"], 69, "no gateway answered"),
        (["leader", "demo", "--gateway", "nonsense"], 2, "HOST:PORT"),
        (["leader", "demo", "--gateway", "example.org:7400"], 2, "another host"),
        (["leader", "demo", "--token-file", "/nowhere"], 2, "/nowhere"),
        (["leader", "demo", "--ca", "/nowhere"], 2, "/nowhere"),
        (["leader"], 2, "ELECTION"),
        (["leader", "no//name"], 2, "election"),
        (["verify", "demo", "seven"], 2, "seven"),
        (["campaign", "demo", "--ttl", "0.5s"], 2, "ttl"),
        (["observe", "demo", "--prefix", "a/"], 2, "not both"),
        (["observe", "--prefix", "a"], 2, "prefix"),
        (["resign", "demo"], 2, "--credential-file"),
        (["resign", "demo", "--credential-file", "/nowhere"], 2, "/nowhere"),
        (["run", "--election", "demo", "--", ""], 127, "COMMAND is an empty word"),
        (["leader", "demo", "--server-name", "x", "--timeout", "0.5"], 69, "no gateway answered"),
        (["nonsense"], 2, "nonsense"),
        (["--nonsense"], 2, "--nonsense"),
    ],
)
def test_whatever_is_wrong_is_one_sentence(
    commands: Commands, words: list[str], code: int, fault: str
) -> None:
    ended, out, err = commands.ask(*words)
    assert ended == code
    assert out in ("", CAMPAIGNING)
    assert err.startswith("incumbent: ")
    assert err.count("\n") == 1
    assert fault in err


@pytest.mark.parametrize("content", ["\u00e4t0ps3cret".encode(), b"\xfft0ps3cret", b"\n"])
@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["leader", "demo", "--token-file"], "token must be printable ASCII"),
        (["campaign", "demo", "--token-file"], "token must be printable ASCII"),
        (["resign", "demo", "--credential-file"], "credential"),
        (["leader", "demo", "--ca"], "ca must be the bytes of certificates in PEM"),
    ],
)
def test_a_file_that_holds_something_else_is_one_sentence_without_it(
    commands: Commands, tmp_path: Path, content: bytes, words: list[str], fault: str
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    code, _, err = commands.ask(*words, file)
    assert (code, err.count("\n")) == (2, 1), err
    assert "\\x" not in err
    assert "t0ps3" not in err
    assert "0xff" not in err
    if content.startswith(b"\xff") and "--ca" not in words:
        fault = f"{file} is not UTF-8"
    assert fault in err


def test_nothing_is_told_before_the_value_is_refused(commands: Commands) -> None:
    told = commands.ask("campaign", "demo", "--value", "x" * 4_097)
    assert told == (2, "", "incumbent: value must be 4,096 bytes at most, not 4,097\n")


def test_grpc_is_silent_and_a_command_that_is_run_hears_nothing_of_it(
    commands: Commands, tmp_path: Path
) -> None:
    """It would write some lines a second about certificates that look right and are not."""
    program = "import os; print([name for name in os.environ if name.startswith('GRPC_V')])"
    words = ["run", "--election", an_election(), "--", sys.executable, "-c", program]
    assert commands.ask(*words) == (0, "[]\n", "")
    ca = tmp_path / "ca"
    ca.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    for start in ([str(PROGRAM)], [sys.executable, "-m", "incumbent._cli"]):
        code, _, err = commands.ask("leader", "demo", "--ca", ca, "--timeout", "0.5", program=start)
        assert (code, err.count("\n")) == (69, 1), err


@pytest.mark.parametrize(
    "words", [["leader", "demo"], ["verify", "demo", "1"], ["elections"], ["backend"], ["observe"]]
)
@pytest.mark.parametrize("output", ["table", "json"])
def test_nobody_reads_the_answer(
    client: incumbent.Client, commands: Commands, words: list[str], output: str
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with led(client, an_election()):  # so that there is something to list
        code, _, err = commands.ask(*words, "--output", output, stdout=writing)
    os.close(writing)
    assert (code, err) == (128 + signal.SIGPIPE, "")


@pytest.mark.parametrize(
    "words",
    [
        ["leader", "demo"],
        ["verify", "demo", "1"],
        ["elections"],
        ["backend"],
        ["observe"],
        ["campaign", "demo"],
        ["resign", "demo"],
    ],
)
def test_standard_output_is_closed(commands: Commands, words: list[str]) -> None:
    """One sentence, and nothing was done; neither a yes nor a no."""
    script = ["sh", "-c", f"exec {PROGRAM} {' '.join(words)} >&-"]
    environ = commands.environ | {"INCUMBENT_CREDENTIAL": a_credential()}
    code, _, err = commands.ask(program=script, env=environ)
    assert code == 2
    assert err == "incumbent: standard output is closed: there is nowhere to write to\n"


def test_run_wants_no_output_of_its_own(commands: Commands) -> None:
    words = f"run --election {an_election()} -- sh -c 'exit 7'"
    assert commands.ask(program=["sh", "-c", f"exec {PROGRAM} {words} >&-"]) == (7, "", "")


def test_nobody_reads_the_output(client: incumbent.Client, commands: Commands) -> None:
    """As with `| head -1`: ended by SIGPIPE, by the look of it, and without a word."""
    election = an_election()
    observer = commands.begin("observe", election)
    observer.answer()
    assert observer.process.stdout is not None
    observer.process.stdout.close()
    with led(client, election):
        assert observer.process.wait(20) == 128 + signal.SIGPIPE
    assert observer.process.stderr is not None
    assert observer.process.stderr.read() == ""


def test_a_table_is_for_a_terminal_and_json_for_the_rest(
    client: incumbent.Client, commands: Commands
) -> None:
    election = an_election()
    ours, theirs = os.openpty()
    with led(client, election):
        code, _, _ = commands.ask("leader", election, stdout=theirs)
    os.close(theirs)
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    assert code == 0
    assert "candidate" in shown
    assert "node-a" in shown
    assert "{" not in shown


def test_without_a_subcommand_the_help_is_shown(commands: Commands) -> None:
    code, out, err = commands.ask()
    assert (code, out) == (2, "")
    assert err.startswith("Usage: incumbent ")


def test_the_version_is_told(commands: Commands) -> None:
    code, out, _ = commands.ask("--version")
    assert (code, out.split()[0]) == (0, "incumbent,")
