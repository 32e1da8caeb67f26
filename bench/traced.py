"""The gateway with its SQLite statements counted. Run as `python -m bench.traced FLAGS…`.

Every connection of the driver gets SQLite's own trace callback, which SQLite calls once for each
statement that it begins to run. To each line on stdin one line of JSON on stdout answers: how many
statements each connection has run so far, by connection and statement.
"""

import json
import re
import sqlite3
import sys
import threading
from collections import Counter
from typing import Any

from incumbent_backends.sqlite_file import SqliteFile
from incumbent_server.__main__ import main

_SPACE = re.compile(r"\s+")
_LITERALS = re.compile(r"'[^']*'|\b\d+\b")

counts: Counter[str] = Counter()


def install() -> None:
    """Trace every connection that the driver opens from now on."""
    connect = SqliteFile.connect

    def traced(file: SqliteFile, **how: Any) -> sqlite3.Connection:
        connection = connect(file, **how)
        role = threading.current_thread().name.removeprefix("incumbent-sqlite-")
        connection.set_trace_callback(lambda sql: _count(role, sql))
        return connection

    SqliteFile.connect = traced  # type: ignore[method-assign, assignment]


def _count(role: str, sql: str) -> None:
    counts[f"{role}: {_LITERALS.sub('?', _SPACE.sub(' ', sql))[:90]}"] += 1


def answer() -> None:
    """Answer each line until stdin ends."""
    for _ in sys.stdin:
        print(json.dumps(dict(counts)), flush=True)


if __name__ == "__main__":
    install()
    threading.Thread(target=answer, daemon=True).start()
    sys.exit(main())
