"""The script `incumbent-server`."""

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the gateway; Ctrl-C is obeyed from the first import on."""
    try:
        from incumbent_server import program

        return program.main(argv)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
