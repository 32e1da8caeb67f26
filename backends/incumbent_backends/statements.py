"""SQL kept apart from code: annotated files under sql/, one statement a verb."""

import re
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType


def script(file: str) -> str:
    """Return the whole text of sql/<file>."""
    return resources.files(__package__).joinpath("sql", file).read_text("utf-8")


def statements(file: str) -> Mapping[str, str]:
    """Return the statements of sql/<file>, each under the name in the `-- name --` line above it.

    Comment lines are for readers of the file and are left out.
    """
    parts = re.split(r"^-- (\w+) --$", script(file), flags=re.MULTILINE)
    bodies = (re.sub(r"^--.*\n?", "", part, flags=re.MULTILINE).strip() for part in parts[2::2])
    return MappingProxyType(dict(zip(parts[1::2], bodies, strict=True)))
