"""Where answers are written to: tables for people, JSON lines for programs."""

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from incumbent._cli.options import Format
from incumbent._cli.shapes import Shape

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDTH = 200  # columns where there is no terminal


class View:
    """Standard output, in one format. Each answer is written out at once."""

    def __init__(self, form: Format) -> None:
        """Raise OSError where it is closed: that is to be told before anything is done."""
        if sys.stdout is None:
            raise OSError("standard output is closed: there is nowhere to write to")
        self.form = form

    def show(self, shape: Shape, drawn: "Callable[[], RenderableType]") -> None:
        """Write an answer in the format that is asked for."""
        if self.form == "json":
            self.write(shape)
        else:
            self.draw(drawn)

    def write(self, shape: Shape) -> None:
        """Write one line of JSON."""
        sys.stdout.write(json.dumps(shape, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def draw(self, drawn: "Callable[[], RenderableType]") -> None:
        """Draw for people."""
        from rich.console import Console

        class Paper(Console):
            def on_broken_pipe(self) -> None:
                raise BrokenPipeError  # as `write` does

        console = Paper(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
        console.print(drawn())
        sys.stdout.flush()
