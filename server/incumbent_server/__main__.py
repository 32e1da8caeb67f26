"""The script `incumbent-server`."""

import os
import sys
from collections.abc import Sequence
from types import ModuleType


def main(argv: Sequence[str] | None = None) -> int:
    """Run the gateway; Ctrl-C is obeyed from the first import on."""
    try:
        return load().main(argv)  # type: ignore[no-any-return]
    except KeyboardInterrupt:
        return 130


def load() -> ModuleType:
    """Import the gateway; gRPC, which reads how much to say just then, is told to be quiet.

    What matters of its connections is said in the gateway's own log, or in its one sentence.
    """
    ours = "GRPC_VERBOSITY" not in os.environ
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        from incumbent_server import program
    finally:
        if ours:
            del os.environ["GRPC_VERBOSITY"]
    return program


if __name__ == "__main__":
    sys.exit(main())
