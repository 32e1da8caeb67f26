"""The end of each sub-command's --help: examples, and what its exit codes mean."""

from collections.abc import Mapping, Sequence
from typing import Final

from incumbent._cli.exits import Exit

_ALWAYS: Final = {
    Exit.USAGE: "the command line is wrong, or an argument is refused",
    Exit.UNAVAILABLE: "no gateway answered within --timeout",
    Exit.REFUSED: "a gateway refused the request",
}
SIGNALLED: Final = ("128+N", "ended by signal N")


def epilog(examples: Sequence[str], codes: Mapping[Exit, str], *further: tuple[str, str]) -> str:
    """Put it together; click keeps the lines of a paragraph that begins with a backspace."""
    told = dict(sorted({**_ALWAYS, **codes}.items()))
    named = [(str(int(code)), meaning) for code, meaning in told.items()]
    lines = [f"  {code:<5}  {meaning}" for code, meaning in (*named, *further)]
    shown = [f"  {example}" for example in examples]
    return "\n".join(["\b", "Examples:", *shown, "", "\b", "Exit codes:", *lines])
