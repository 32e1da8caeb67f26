"""`incumbent-server schema SCHEME`: the tables of a store, where a gateway may not make them."""

from collections.abc import Sequence
from typing import Final

from incumbent_backends.api import Rejected
from incumbent_backends.registry import driver

COMMAND: Final = "schema"


def schema(arguments: Sequence[str]) -> str:
    """Return the script that makes the tables of this scheme's store. Raises Rejected."""
    if len(arguments) != 1:
        raise Rejected(
            "write: incumbent-server schema SCHEME, as in incumbent-server schema postgres"
        )
    (scheme,) = arguments
    script = getattr(driver(f"{scheme.removesuffix('://')}://"), "schema", None)
    if not isinstance(script, str):
        raise Rejected(f"the store {scheme} needs no tables made beforehand")
    return script
