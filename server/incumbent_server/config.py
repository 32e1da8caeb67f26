"""The gateway's settings: from flags, else from INCUMBENT_* variables, else the defaults.

`load` checks them whole before anything is opened. Whatever is wrong is a ConfigError of one
sentence that names the setting as the operator wrote it and says what is allowed. The backend's URL
may hold a password: no message and no repr shows it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import click
from pydantic import BeforeValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from incumbent_server.quantities import (
    Address,
    parse_backend_url,
    parse_choice,
    parse_count,
    parse_duration,
    parse_segment,
    parse_size,
    redacted,
    show,
)

__all__ = [
    "ConfigError",
    "LogFormat",
    "LogLevel",
    "Settings",
    "load",
    "redacted",
    "unknown_variables",
]

PROGRAM: Final = "incumbent-server"
PREFIX: Final = "INCUMBENT_"
CLIENTS_PREFIX: Final = "INCUMBENT_SDK_"
CLIENTS: Final = frozenset(
    {"INCUMBENT_GATEWAY", "INCUMBENT_TOKEN", "INCUMBENT_ELECTION", "INCUMBENT_CANDIDATE"}
)
"""The variables of the client library and of its command."""

_EXAMPLES: Final = """\b
Examples:
  incumbent-server
  incumbent-server --backend sqlite:////var/lib/incumbent/elections.db
  incumbent-server --backend memory:// --listen 0.0.0.0:7400 --log-format json
  incumbent-server --backend postgres://gateway@db.example.com/elections
  incumbent-server --backend etcds://etcd1:2379,etcd2:2379,etcd3:2379?ca=/etc/etcd/ca.crt
  incumbent-server --backend consul://127.0.0.1:8500 --backend-ttl 10s
  incumbent-server schema postgres    # prints its tables, where a gateway may not make them
  INCUMBENT_NAMESPACE=staging incumbent-server --backend-ttl 30s --drain 20s
\b
Durations are written 15s, 500ms, 1m or 1h; a bare number counts seconds. A flag outdoes its
variable. A password belongs in the variable: flags are seen in the list of processes.
"""


class ConfigError(Exception):
    """The settings cannot be used: one sentence, fit to follow the program's name."""

    exit_code: Final = 2


class LogFormat(StrEnum):
    """How a log line is written."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The least severe lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _read_by(parse: Callable[[str], object]) -> BeforeValidator:
    """A text goes through `parse`, whose ValueError says what is allowed; a ready value stays."""

    def read(raw: object) -> object:
        try:
            return parse(raw) if isinstance(raw, str) else raw
        except ValueError as error:
            # As a parameter, because a template would take braces for places to fill in.
            raise PydanticCustomError("setting", "{allowed}", {"allowed": str(error)}) from None

    return BeforeValidator(read)


class Settings(BaseSettings):
    """Everything that an operator chooses, checked. Frozen; `backend` is left out of its repr."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        enable_decoding=False,
        hide_input_in_errors=True,
    )

    backend: Annotated[str, _read_by(parse_backend_url)] = Field(
        repr=False,
        title="URL",
        description="The store. Default: a SQLite file, incumbent.db, in your state folder.",
    )
    listen: Annotated[Address, _read_by(Address.parse)] = Field(
        default=Address("127.0.0.1", 7400), title="HOST:PORT", description="Where gRPC is served."
    )
    http: Annotated[Address, _read_by(Address.parse)] = Field(
        default=Address("127.0.0.1", 7401), title="HOST:PORT", description="Where HTTP is served."
    )
    backend_ttl: Annotated[
        timedelta,
        _read_by(parse_duration(timedelta(milliseconds=100), timedelta(hours=24))),
    ] = Field(
        default=timedelta(seconds=15),
        title="DURATION",
        description="How long the store keeps this gateway's terms when the gateway falls silent.",
    )
    namespace: Annotated[str, _read_by(parse_segment)] = Field(
        default="incumbent",
        title="NAME",
        description="The world of elections in the store; gateways of one namespace share them.",
    )
    max_streams: Annotated[int, _read_by(parse_count(1, 1_000_000))] = Field(
        default=20_000, title="NUMBER", description="The most open streams of this gateway."
    )
    max_candidates: Annotated[int, _read_by(parse_count(1, 1_000_000))] = Field(
        default=20_000, title="NUMBER", description="The most candidates of one election here."
    )
    max_message: Annotated[int, _read_by(parse_size(8 * 2**10, 16 * 2**20))] = Field(
        default=64 * 2**10, title="SIZE", description="The largest request in bytes."
    )
    drain: Annotated[timedelta, _read_by(parse_duration(timedelta(), timedelta(hours=1)))] = Field(
        default=timedelta(seconds=10),
        title="DURATION",
        description="The most time between SIGTERM and the end.",
    )
    log_format: Annotated[LogFormat | None, _read_by(parse_choice(LogFormat))] = Field(
        default=None,
        title="|".join(LogFormat),
        description="How log lines are written. Default: text on a terminal, JSON elsewhere.",
    )
    log_level: Annotated[LogLevel, _read_by(parse_choice(LogLevel))] = Field(
        default=LogLevel.INFO,
        title="|".join(LogLevel),
        description="The least severe lines that are written.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed counts: `load` reads the environment that it is given."""
        return (init_settings,)


def load(argv: Sequence[str] | None, environ: Mapping[str, str]) -> Settings:
    """Read and check the settings; `argv` is without the program's name, None takes sys.argv.

    Raises ConfigError, and SystemExit(0) once `--help` or `--version` is answered. The default
    backend's folder is made if missing; nothing else is touched.
    """
    flags = _from_flags(argv)
    variables = _from_variables(environ)
    given: dict[str, Any] = {**variables, **flags}
    home = None
    if "backend" not in given:
        home = _state_folder(environ)
        given["backend"] = f"sqlite:///{quote(str(home / 'incumbent.db'))}"
    settings = _checked(given, flags)
    if home is not None:
        _make(home)
    return settings


def unknown_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Find what looks like a setting and is none; each name with that of the closest setting."""
    settings = [_variable(field) for field in Settings.model_fields]
    unknown = {
        name: upper
        for name, text in environ.items()
        if text and (upper := name.upper()).startswith(PREFIX)
        if not upper.startswith(CLIENTS_PREFIX) and upper not in CLIENTS.union(settings)
    }
    return {
        name: get_close_matches(upper, settings, n=1, cutoff=0)[0]
        for name, upper in unknown.items()
    }


def _checked(given: Mapping[str, Any], flags: Mapping[str, str]) -> Settings:
    def name(field: str) -> str:
        return _flag(field) if field in flags else _variable(field)

    try:
        settings = Settings(**given)
    except ValidationError as error:
        faults = [f"{name(str(each['loc'][0]))} must be {each['msg']}" for each in error.errors()]
        # Its context would show what was given, which may be a password.
        raise ConfigError("; ".join(faults)) from None
    if settings.listen == settings.http and settings.listen.port != 0:
        raise ConfigError(f"--listen and --http must differ; both are {settings.listen}")
    return settings


def _from_variables(environ: Mapping[str, str]) -> dict[str, Any]:
    source = EnvSettingsSource(Settings)
    source.env_vars = {key.lower(): value for key, value in environ.items() if value}
    return source()


def _from_flags(argv: Sequence[str] | None) -> dict[str, str]:
    args = None if argv is None else list(argv)
    try:
        parsed = _command().main(args, prog_name=PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        fault = re.sub(r"\S+://\S+", lambda url: redacted(url[0]), error.format_message())
        raise ConfigError(f"{fault.rstrip('.')}; see {PROGRAM} --help") from None
    if not isinstance(parsed, dict):  # --help and --version give an exit code instead.
        raise SystemExit(parsed)
    return {field: text for field, text in parsed.items() if text is not None}


def _command() -> click.Command:
    command = click.Command(
        PROGRAM,
        params=[_option(field, info) for field, info in Settings.model_fields.items()],
        callback=lambda **flags: flags,
        help="Serve leader elections over gRPC, on a store that you already run.",
        epilog=_EXAMPLES,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    return click.version_option(version(PROGRAM), prog_name=PROGRAM)(command)


def _option(field: str, info: FieldInfo) -> click.Option:
    default = (
        "" if info.is_required() or info.default is None else f" Default: {show(info.default)}."
    )
    text = f"{info.description}{default} [{_variable(field)}]"
    return click.Option([_flag(field), field], metavar=info.title, help=text)


def _flag(field: str) -> str:
    return "--" + field.replace("_", "-")


def _variable(field: str) -> str:
    return PREFIX + field.upper()


def _state_folder(environ: Mapping[str, str]) -> Path:
    """The folder of the default backend, after the XDG base directories: relative ones are void."""
    state = Path(environ.get("XDG_STATE_HOME", ""))
    home = Path(environ.get("HOME", ""))
    if state.is_absolute():
        return state / "incumbent"
    if home.is_absolute():
        return home / ".local" / "state" / "incumbent"
    raise ConfigError(
        "--backend must be given: neither XDG_STATE_HOME nor HOME names a folder for the default"
    )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the default backend's folder {folder} cannot be made ({error.strerror}):"
            " make it, or give --backend"
        ) from None
