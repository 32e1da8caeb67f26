"""`python -m tests.histories FILE...`: read a history, tell what was judged and what was broken.

Exit code 0: no violation; 1: violations, or nothing to judge where that was asked for; 2: a file
could not be read.
"""

import argparse
import sys
from collections.abc import Sequence

from tests.histories.reader import Unreadable, read
from tests.histories.verdict import judge


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.histories")
    parser.add_argument("files", nargs="+", metavar="FILE", help="JSON lines, any number of files")
    parser.add_argument(
        "--require-writes",
        action="store_true",
        help="fail if no client believed, or no register took a write",
    )
    options = parser.parse_args(arguments)
    try:
        verdict = judge(read(options.files))
    except Unreadable as unreadable:
        print(unreadable, file=sys.stderr)
        return 2
    print(verdict)
    for violation in verdict.violations:
        print(f"\n{violation}")
    if options.require_writes and verdict.proves_nothing:
        print(f"this history proves nothing: {verdict.proves_nothing}", file=sys.stderr)
        return 1
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    sys.exit(main())
