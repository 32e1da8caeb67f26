"""Options of the command: where each may stand, what outdoes what, and what is refused."""

from pathlib import Path

import click
import pytest

from incumbent import HeldByAnother, InvalidArgument, LeadershipLost, Refused, Unavailable
from incumbent._cli.app import incumbent
from incumbent._cli.durations import Duration, seconds
from incumbent._cli.exits import Exit, exit_of
from incumbent._cli.options import Setup, setup_of


def test_what_stands_after_the_subcommand_outdoes_what_stands_before_and_the_environment() -> None:
    environ = {"INCUMBENT_GATEWAY": "e:1"}
    assert setup_of({}, {}, {}) == Setup()
    assert setup_of({}, {}, environ).gateway == "e:1"
    assert setup_of({}, {"gateway": "b:1"}, environ).gateway == "b:1"
    assert setup_of({"gateway": "a:1"}, {"gateway": "b:1"}, environ).gateway == "a:1"
    assert setup_of({"gateway": None}, {"gateway": "b:1"}, environ).gateway == "b:1"


def test_an_empty_variable_is_none() -> None:
    assert setup_of({}, {}, {"INCUMBENT_GATEWAY": ""}).gateway == "127.0.0.1:7400"


def test_a_token_is_read_at_each_call(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with pytest.raises(FileNotFoundError):
        Setup(token_file=file).client()
    file.write_text("first\n")
    token = Setup(token_file=file).token()
    assert token is not None
    assert token() == "first"
    file.write_text("second\n")
    assert token() == "second"


def test_half_a_pair_of_certificates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cert").write_text("pem")
    with pytest.raises(ValueError, match="certificate and key go together"):
        Setup(cert=tmp_path / "cert").client()


@pytest.mark.parametrize("timeout", [0.5, float("inf")])
def test_a_timeout_may_be_never(timeout: float) -> None:
    with Setup(timeout=timeout).client():
        pass


@pytest.mark.parametrize(
    ("text", "read"),
    [("10s", 10), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("1.5", 1.5), (" 3 s ", 3)],
)
def test_durations(text: str, read: float) -> None:
    assert seconds(text) == pytest.approx(read)


@pytest.mark.parametrize("text", ["", "s", "-1s", "1d", "ten", "1s2", "nan", "inf", "\u0661s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="write 10s, 500ms, 1m or 1h"):
        seconds(text)


def test_a_duration_has_its_limits() -> None:
    ttl = Duration(least=1.0)
    with pytest.raises(click.BadParameter, match="not from 1s to 3600s"):
        ttl.convert("0.5s", None, None)
    with pytest.raises(click.BadParameter):
        ttl.convert("never", None, None)
    assert Duration(never=True).convert("never", None, None) == float("inf")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HeldByAnother("held"), Exit.NO),
        (Unavailable("nobody"), Exit.UNAVAILABLE),
        (LeadershipLost("demo", 1, "EXPIRED"), Exit.LOST),
        (InvalidArgument("wrong", "INVALID_ARGUMENT", "INVALID_FIELD"), Exit.USAGE),
        (Refused("no", "PERMISSION_DENIED", ""), Exit.REFUSED),
        (Refused("none", "FAILED_PRECONDITION", "NOT_LEADER"), Exit.NO),
    ],
)
def test_exit_codes_of_errors(error: Exception, code: Exit) -> None:
    assert isinstance(error, LeadershipLost | HeldByAnother | Unavailable | Refused)
    assert exit_of(error) is code


@pytest.mark.parametrize("name", sorted(incumbent.commands))
def test_every_help_has_examples_and_exit_codes(name: str) -> None:
    command = incumbent.commands[name]
    told = command.get_help(click.Context(command, info_name=name))
    assert "Examples:\n    incumbent" in told
    assert "Exit codes:\n" in told
    for code in (2, 69, 76):
        assert f"\n    {code} " in told


def test_the_subcommands_are_those_of_the_contract() -> None:
    names = "backend campaign elections leader observe resign run verify"
    assert sorted(incumbent.commands) == names.split()


def test_a_secret_is_never_an_argument() -> None:
    for command in incumbent.commands.values():
        for parameter in command.params:
            assert not {"--token", "--credential"} & set(parameter.opts)
