"""A bug as a small edit: one function is compiled again from its source, with some text changed.

The text to be changed must be there exactly once, so that a bug which no longer fits the code fails
loudly.
"""

import inspect
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from unittest.mock import patch


@dataclass(frozen=True)
class Edit:
    """`old` becomes `new` in the source of `owner`'s function `name`."""

    owner: type | ModuleType
    name: str
    old: str
    new: str

    @cached_property
    def function(self) -> object:
        """The function with the bug, ready to stand in its place."""
        original = inspect.getattr_static(self.owner, self.name)
        if isinstance(original, property):
            original = original.fget
        source = textwrap.dedent(inspect.getsource(original))
        if source.count(self.old) != 1:
            raise LookupError(f"{self.owner.__name__}.{self.name} has not once: {self.old!r}")
        made: dict[str, object] = {}
        exec(source.replace(self.old, self.new), original.__globals__, made)
        return made[self.name]


@dataclass(frozen=True)
class Mutant:
    """A bug, by the law or the old bug of others that it stands for."""

    name: str
    story: str
    edits: tuple[Edit, ...]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Have the bug while the block runs."""
        with ExitStack() as stack:
            for edit in self.edits:
                stack.enter_context(patch.object(edit.owner, edit.name, edit.function))
            yield


def mutant(name: str, story: str, *edits: Edit) -> Mutant:
    return Mutant(name, story, edits)
