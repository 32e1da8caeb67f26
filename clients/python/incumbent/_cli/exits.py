"""The command's exit codes, all of them, and what each error makes of them."""

from enum import IntEnum
from typing import Final

from incumbent import (
    HeldByAnother,
    IncumbentError,
    InvalidArgument,
    LeadershipLost,
    NotElected,
    Refused,
    Unavailable,
)


class Exit(IntEnum):
    """What the exit code says. docs/command.md explains each."""

    OK = 0
    NO = 1
    USAGE = 2
    UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h
    LOST = 75  # EX_TEMPFAIL
    REFUSED = 76  # EX_PROTOCOL
    NOT_EXECUTABLE = 126  # as a shell's
    NOT_FOUND = 127
    SIGNALLED = 128  # and the signal's number


# The first that fits counts.
_ERRORS: Final[tuple[tuple[type[IncumbentError], Exit], ...]] = (
    (HeldByAnother, Exit.NO),
    (InvalidArgument, Exit.USAGE),
    (Unavailable, Exit.UNAVAILABLE),
    (LeadershipLost, Exit.LOST),
    (NotElected, Exit.LOST),
    (Refused, Exit.REFUSED),
)


def exit_of(error: IncumbentError) -> Exit:
    """Tell the exit code of an error of the SDK."""
    if isinstance(error, Refused) and error.reason == "NOT_LEADER":
        return Exit.NO
    return next((code for kind, code in _ERRORS if isinstance(error, kind)), Exit.REFUSED)
