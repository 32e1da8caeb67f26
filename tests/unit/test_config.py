"""Settings from flags and variables: what is taken, what is refused, and what is never shown."""

import os
import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from incumbent_server.config import (
    ConfigError,
    LogFormat,
    LogLevel,
    Settings,
    load,
    redacted,
    unknown_variables,
)
from incumbent_server.quantities import Address, parse_duration, show

MEMORY = ("--backend", "memory://")


def fault(*argv: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(argv, environ)
    message = str(caught.value)
    assert caught.value.exit_code == 2
    assert "\n" not in message
    return message


def test_the_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    settings = load([], {"HOME": str(tmp_path)})
    assert dict(settings) == {
        "backend": f"sqlite:///{tmp_path}/.local/state/incumbent/incumbent.db",
        "listen": Address("127.0.0.1", 7400),
        "http": Address("127.0.0.1", 7401),
        "backend_ttl": timedelta(seconds=15),
        "namespace": "incumbent",
        "max_streams": 20_000,
        "max_candidates": 20_000,
        "max_message": 65_536,
        "drain": timedelta(seconds=10),
        "log_format": None,
        "log_level": LogLevel.INFO,
    }


def test_every_flag_is_read() -> None:
    settings = load(
        [
            "--backend", "etcd://a:1,b:2", "--listen", "0.0.0.0:1", "--http", "[::1]:2",
            "--backend-ttl", "1m", "--namespace", "blue", "--max-streams", "3",
            "--max-candidates", "4", "--max-message", "1MiB", "--drain", "0", "--log-format",
            "JSON", "--log-level", "debug",
        ],
        {},
    )  # fmt: skip
    assert settings == Settings(
        backend="etcd://a:1,b:2",
        listen=Address("0.0.0.0", 1),
        http=Address("::1", 2),
        backend_ttl=timedelta(minutes=1),
        namespace="blue",
        max_streams=3,
        max_candidates=4,
        max_message=2**20,
        drain=timedelta(),
        log_format=LogFormat.JSON,
        log_level=LogLevel.DEBUG,
    )


def test_every_flag_has_its_variable() -> None:
    texts = {
        "backend": "memory://", "listen": "h:1", "http": "h:2", "backend_ttl": "2s",
        "namespace": "n", "max_streams": "5", "max_candidates": "6", "max_message": "9000",
        "drain": "1s", "log_format": "text", "log_level": "error",
    }  # fmt: skip
    assert set(texts) == set(Settings.model_fields)
    flags = [word for name, text in texts.items() for word in (f"--{name}".replace("_", "-"), text)]
    environ = {f"INCUMBENT_{name.upper()}": text for name, text in texts.items()}
    assert load([], environ) == load(flags, {})


def test_a_flag_outdoes_its_variable_and_an_empty_variable_is_none() -> None:
    environ = {"INCUMBENT_BACKEND_TTL": "3s", "INCUMBENT_DRAIN": "", "INCUMBENT_BACKEND": "a://"}
    settings = load(["--backend-ttl", "4s"], environ)
    assert settings.backend_ttl == timedelta(seconds=4)
    assert settings.drain == timedelta(seconds=10)
    assert settings.backend == "a://"


def test_only_the_given_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCUMBENT_NAMESPACE", "other")
    assert load(MEMORY, {}).namespace == "incumbent"


def test_variables_of_the_client_s_command_are_let_be() -> None:
    load(MEMORY, {"INCUMBENT_GATEWAY": "x", "INCUMBENT_TOKEN": "7", "INCUMBENT_TYPO": "x"})


def test_a_typo_in_a_variable_is_found_with_the_closest_setting() -> None:
    environ = {
        "INCUMBENT_BACKEND_TLL": "1s",
        "INCUMBENT_MAX_STREAM": "5",
        "incumbent_listn": "h:1",
        "INCUMBENT_EMPTY": "",  # an empty variable counts as unset
        "INCUMBENTS": "x",
    }
    assert unknown_variables(environ) == {
        "INCUMBENT_BACKEND_TLL": "INCUMBENT_BACKEND_TTL",
        "INCUMBENT_MAX_STREAM": "INCUMBENT_MAX_STREAMS",
        "incumbent_listn": "INCUMBENT_LISTEN",
    }


def test_settings_and_the_client_s_variables_are_known() -> None:
    names = [f"INCUMBENT_{field.upper()}" for field in Settings.model_fields]
    names += ["INCUMBENT_GATEWAY", "INCUMBENT_TOKEN", "INCUMBENT_ELECTION", "INCUMBENT_CANDIDATE"]
    names += ["INCUMBENT_SDK_ANYTHING", "incumbent_namespace", "HOME"]
    assert unknown_variables(dict.fromkeys(names, "x")) == {}


def test_settings_are_frozen() -> None:
    settings = load(MEMORY, {})
    with pytest.raises(ValidationError, match="frozen"):
        settings.namespace = "other"  # type: ignore[misc]


# ---- what is refused


@pytest.mark.parametrize(
    ("flag", "texts", "allowed"),
    [
        ("--backend", ["", "sqlite", "/var/x.db", "://", "a b://", "memory://\n"], "URL"),
        ("--listen", ["", "7400", ":1", "h:65536", "h:-1", "::1:1", "h:1 ", "h/x:1"], "HOST:PORT"),
        ("--http", ["x", "h:", "[]:1"], "HOST:PORT"),
        ("--backend-ttl", ["", "0", "-1s", "1 week", "nan", "1e3", "25h", "9" * 99], "to 24h"),
        ("--drain", ["-1", "61m", "inf"], "from 0s to 1h"),
        ("--namespace", ["", "a/b", "..", ".", "é", "x" * 64, "a\n"], "1 to 63 characters"),
        ("--max-streams", ["0", "-1", "1.5", "x", "1000001", "1_0", "٣"], "from 1 to 1000000"),
        ("--max-candidates", ["0", ""], "from 1 to 1000000"),
        ("--max-message", ["0", "8191", "17MiB", "1GB", "-1"], "from 8192 to 16777216"),
        ("--log-format", ["xml", ""], "text, json"),
        ("--log-level", ["loud", "7"], "debug, info, warning, error"),
    ],
)  # fmt: skip
def test_a_bad_value_is_one_sentence_with_what_is_allowed(
    flag: str, texts: list[str], allowed: str
) -> None:
    backend = () if flag == "--backend" else MEMORY
    variable = "INCUMBENT_" + flag.strip("-").replace("-", "_").upper()
    for text in texts:
        message = fault(*backend, f"{flag}={text}")
        assert message.startswith(f"{flag} must be ")
        assert allowed in message
        if text:
            told = fault(*backend, **{variable: text})
            assert told == message.replace(flag, variable, 1)


def test_all_faults_are_told_at_once() -> None:
    message = fault(*MEMORY, "--drain=x", INCUMBENT_MAX_STREAMS="x")
    assert "--drain must be" in message
    assert "INCUMBENT_MAX_STREAMS must be" in message


def test_one_address_cannot_serve_both() -> None:
    assert "--http" in fault(*MEMORY, "--listen=h:1", "--http=h:1")
    load([*MEMORY, "--listen=h:0", "--http=h:0"], {})


@pytest.mark.parametrize("argv", [["--no-such"], ["extra"], ["--listen"], ["--drain", "1s", "x"]])
def test_a_command_line_that_cannot_be_read_points_to_the_help(argv: list[str]) -> None:
    assert "--help" in fault(*argv)


# ---- the default backend's folder


def test_the_state_folder_is_made(tmp_path: Path) -> None:
    state = tmp_path / "a b" / "%"
    settings = load([], {"XDG_STATE_HOME": str(state), "HOME": "/nowhere"})
    assert settings.backend == f"sqlite:///{tmp_path}/a%20b/%25/incumbent/incumbent.db"
    assert (state / "incumbent").stat().st_mode & 0o777 == 0o700
    load([], {"XDG_STATE_HOME": str(state)})


def test_a_relative_state_folder_is_void(tmp_path: Path) -> None:
    settings = load([], {"XDG_STATE_HOME": "state", "HOME": str(tmp_path)})
    assert f"{tmp_path}/.local/state" in settings.backend


def test_nothing_is_made_for_settings_that_are_refused_or_name_a_backend(tmp_path: Path) -> None:
    fault("--drain=x", HOME=str(tmp_path))
    load(["--backend", f"sqlite:///{tmp_path}/missing/x.db"], {"HOME": str(tmp_path)})
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_a_state_folder_that_cannot_be_made_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "--backend" in fault(XDG_STATE_HOME=str(tmp_path / "file"))


def test_nowhere_to_put_the_default() -> None:
    assert "--backend must be given" in fault()


# ---- durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15s", 15),
        ("500ms", 0.5),
        ("1m", 60),
        ("2h", 7200),
        ("7", 7),
        ("0.25", 0.25),
        ("1.5 m", 90),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(timedelta(), timedelta(days=1))(text) == timedelta(seconds=seconds)


@given(st.integers(0, 86_400_000).map(lambda each: timedelta(milliseconds=each)))
def test_a_duration_that_is_shown_can_be_read(period: timedelta) -> None:
    assert parse_duration(timedelta(), timedelta(days=1))(show(period)) == period


# ---- secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("memory://", "memory://"),
        ("sqlite:////var/lib/x.db", "sqlite:////var/lib/x.db"),
        ("postgres://u@h/db", "postgres://***@h/db"),
        ("postgres://@h/db", "postgres://@h/db"),
        ("postgres://u:hunter2@h/db", "postgres://u:***@h/db"),
        ("postgres://u:@h/db", "postgres://u:***@h/db"),
        ("postgres://u:hunter2@a:1,b:2/db?x=1", "postgres://u:***@a:1,b:2/db?x=***"),
        ("postgres://u:hu/nt#er?2@h/db", "postgres://u:***@h/db"),
        ("postgres://u:hun@ter:2@h/db", "postgres://u:***@h/db"),
        ("postgres://h/db?password=hunter2&x=1", "postgres://h/db?password=***&x=***"),
        ("postgres://h/db?x=1&pwd=hunter2", "postgres://h/db?x=***&pwd=***"),
        ("postgres://h/db?hunter2", "postgres://h/db?***"),
        ("postgres://h/db?", "postgres://h/db?"),
        ("consul://hunter2@h:1", "consul://***@h:1"),
        ("consuls://:hunter2@h:1", "consuls://:***@h:1"),
        ("hunter2", "***"),
    ],
)
def test_a_redacted_url_shows_no_secret(url: str, shown: str) -> None:
    assert redacted(url) == shown


@given(st.text(min_size=8), st.sampled_from(["postgres", "etcd", "x+y"]))
def test_no_password_gets_through(password: str, scheme: str) -> None:
    assert redacted(f"{scheme}://user:{password}@host/db") == f"{scheme}://user:***@host/db"


@pytest.mark.parametrize(
    "argv",
    [
        ["postgres://u:hunter2@h/db"],
        ["--backend", "postgres//u:hunter2@h/db"],
        ["--backend", "postgres://u:hunter2@h/db", "--drain=x"],
        ["--bakend=postgres://u:hunter2@h/db"],
        ["--backend", "postgres://u:hunter2@h/db", "--listen=h:1", "--http=h:1"],
    ],
)
def test_no_fault_shows_a_password(argv: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(argv, {})
    assert "hunter2" not in f"{caught.value} {caught.value!r}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_no_repr_shows_a_password() -> None:
    settings = load(["--backend", "postgres://u:hunter2@h/db"], {})
    assert "hunter2" not in f"{settings} {settings!r}"


# ---- help and version


def test_help_names_every_flag_and_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load(["--help"], {})
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for field in Settings.model_fields:
        assert "--" + field.replace("_", "-") in shown
        assert "INCUMBENT_" + field.upper() in re.sub(r"\s+", "", shown)
    assert "Examples:" in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        load(["--version"], {})
    assert ended.value.code == 0
    assert re.fullmatch(r"incumbent-server, version \d+\.\d+\.\d+\n", capsys.readouterr().out)
