"""What is said to people beside the answers: sentences on standard error."""

import logging
import sys
from contextlib import suppress
from typing import Final

PROGRAM: Final = "incumbent"


def say(sentence: str) -> None:
    """Say it, if anybody can still hear it."""
    if sys.stderr is None:  # closed; print would take standard output for it
        return
    with suppress(OSError):
        print(f"{PROGRAM}: {sentence}", file=sys.stderr, flush=True)


class Saying(logging.Handler):
    """Says what the SDK warns of."""

    def emit(self, record: logging.LogRecord) -> None:
        """See logging."""
        say(record.getMessage())


def say_warnings() -> None:
    """Have them said from now on."""
    sdk = logging.getLogger("incumbent")
    sdk.setLevel(logging.WARNING)
    sdk.propagate = False
    sdk.addHandler(Saying())
