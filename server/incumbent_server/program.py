"""The command `incumbent-server`."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence

import incumbent  # noqa: F401 - imports gRPC so that it puts no lines of its own into the log
from incumbent_backends.api import Rejected
from incumbent_server.app import Failure, run
from incumbent_server.config import PROGRAM, ConfigError, load, unknown_variables
from incumbent_server.schema import COMMAND, schema
from incumbent_server.telemetry import configure_logging, logger


def main(argv: Sequence[str] | None = None) -> int:
    """Run the gateway; the exit code is 0 after a drain, 2 for what the operator has to mend."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == [COMMAND]:
        return _print_schema(words[1:])
    try:
        settings = load(argv, os.environ)
        configure_logging(settings.log_format, settings.log_level)
        _warn_of(unknown_variables(os.environ))
        asyncio.run(run(settings))
    except (ConfigError, Failure) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _print_schema(words: Sequence[str]) -> int:
    try:
        print(schema(words), end="")
    except Rejected as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    return 0


def _warn_of(unknown: Mapping[str, str]) -> None:
    if unknown:
        named = ", ".join(f"{name} ({closest}?)" for name, closest in unknown.items())
        logger("incumbent.server").warning("unknown variables", variables=named)
