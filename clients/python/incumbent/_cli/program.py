"""Looking for COMMAND before campaigning, as the exec of it will."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from incumbent._cli.exits import Exit


class NoProgram(Exception):
    """COMMAND cannot be run; the exit code is a shell's."""

    def __init__(self, message: str, exit_code: Exit) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def check_program(words: Sequence[str]) -> None:
    """Raise NoProgram unless COMMAND is there and executable, as far as that can be told now."""
    name = words[0]
    if shutil.which(name) is not None:
        return
    if not name:
        raise NoProgram(
            "COMMAND is an empty word: there is no program of that name", Exit.NOT_FOUND
        )
    if _somewhere(name):
        raise NoProgram(f"{name} is not executable", Exit.NOT_EXECUTABLE)
    raise NoProgram(f"{name} is not found", Exit.NOT_FOUND)


def _somewhere(name: str) -> bool:
    """Whether there is such a file, executable or not."""
    if os.sep in name:
        return Path(name).exists()
    return any(Path(folder, name).is_file() for folder in os.get_exec_path())
