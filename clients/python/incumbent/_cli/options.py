"""The options that every sub-command has, before it or after it, and the client that they make."""

import math
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal

import click

from incumbent import AsyncClient, Client, Tls
from incumbent._cli.durations import Duration
from incumbent._cli.signals import Signalled

GATEWAY: Final = "127.0.0.1:7400"
TIMEOUT: Final = 10.0  # seconds

Format = Literal["table", "json"]


@dataclass(frozen=True, slots=True)
class Setup:
    """Where the gateways are, how they are spoken to, and how answers are shown."""

    gateway: str = GATEWAY
    output: Format | None = None
    plaintext: bool = False
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    server_name: str | None = None
    token_file: Path | None = None
    timeout: float = TIMEOUT

    @property
    def form(self) -> Format:
        """The format of answers; if none is asked for, a table for people and JSON for programs."""
        return self.output or ("table" if sys.stdout and sys.stdout.isatty() else "json")

    def client(self) -> Client:
        """Make a client. Raises ValueError, or OSError for a file that cannot be read."""
        return Client(self.gateway, **self._how())

    def async_client(self) -> AsyncClient:
        """Make a client for asyncio; as `client`."""
        return AsyncClient(self.gateway, **self._how())

    def _how(self) -> dict[str, Any]:
        return {
            "tls": self._tls(),
            "plaintext": self.plaintext,
            "token": self.token(),
            "timeout": None if math.isinf(self.timeout) else self.timeout,
        }

    def token(self) -> Callable[[], str] | None:
        """Make what reads the token, anew at each call, so that it may be changed. OSError."""
        file = self.token_file
        if file is None:
            return None
        secret_in(file)
        return lambda: secret_in(file).strip()

    def _tls(self) -> Tls | None:
        if not any((self.ca, self.cert, self.key, self.server_name)):
            return None
        return Tls(_content(self.ca), _content(self.cert), _content(self.key), self.server_name)


def secret_in(file: Path) -> str:
    """Read a secret. ValueError where it is no text: Python's own would show a byte of it."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not UTF-8") from None


def _content(file: Path | None) -> bytes | None:
    return None if file is None else file.read_bytes()


_FILE: Final = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


def options() -> list[click.Parameter]:
    """Make the options; a value that was not given is None."""
    return [
        click.Option(
            ["--gateway"],
            metavar="HOST:PORT[,...]",
            help=f"The gateways of one store. Default: {GATEWAY}. [INCUMBENT_GATEWAY]",
        ),
        click.Option(
            ["--output"],
            type=click.Choice(["table", "json"]),
            help="Default: table on a terminal, else JSON, one object a line.",
        ),
        click.Option(
            ["--plaintext"],
            is_flag=True,
            default=None,
            help="Allow plaintext to gateways on other hosts.",
        ),
        click.Option(["--ca"], type=_FILE, metavar="FILE", help="PEM: who signs the gateways."),
        click.Option(["--cert"], type=_FILE, metavar="FILE", help="PEM: your certificate."),
        click.Option(["--key"], type=_FILE, metavar="FILE", help="PEM: its private key."),
        click.Option(["--server-name"], metavar="NAME", help="The name in their certificate."),
        click.Option(
            ["--token-file"],
            type=_FILE,
            metavar="FILE",
            help="Holds the bearer token; read for each call.",
        ),
        click.Option(
            ["--timeout"],
            type=Duration(never=True, least=0.1),
            metavar="DURATION",
            help="Give up when no gateway answers for so long; or `never`. Default: 10s.",
        ),
    ]


_NAMES: Final = tuple(each.name for each in fields(Setup))


def setup_of(
    after: Mapping[str, Any], before: Mapping[str, Any], environ: Mapping[str, str]
) -> Setup:
    """Put together what was given after the sub-command, before it, and by the environment."""
    given: dict[str, Any] = {}
    if environ.get("INCUMBENT_GATEWAY"):
        given["gateway"] = environ["INCUMBENT_GATEWAY"]
    for source in (before, after):
        given |= {name: source[name] for name in _NAMES if source.get(name) is not None}
    return Setup(**given)


class Subcommand(click.Command):
    """A command with these options besides its own; its callback's first argument is the Setup.

    One that writes no `answers` has no --output.
    """

    def __init__(self, *args: Any, answers: bool = True, **how: Any) -> None:
        super().__init__(*args, **how)
        self.params += [each for each in options() if answers or each.name != "output"]

    def invoke(self, ctx: click.Context) -> Any:
        """See click."""
        after = {name: ctx.params.pop(name, None) for name in _NAMES}
        before = ctx.parent.params if ctx.parent is not None else {}
        ctx.obj = setup_of(after, before, os.environ)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Signalled(signal.SIGINT) from None
        except BrokenPipeError:
            raise Signalled(signal.SIGPIPE) from None
