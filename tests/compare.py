"""`make compare`: the comparison on real servers that are started for it, their data on disk.

    python -m tests.compare [--store NAME]… [what incumbent-compare takes]

Stores that cannot be had here are missing from the run, which says why.
"""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

from incumbent_compare import cli
from tests.servers import Missing, consul, etcd, postgres

STORES = ("sqlite", "postgres", "postgres+advisory", "etcd", "consul")
RESULTS = Path(__file__).parents[1] / "bench/results"
# Its own defaults, and metrics that are kept, so that the log's bytes are known.
_CONSUL = {"session_ttl_min": "10s", "telemetry": {"prometheus_retention_time": "1h"}}


def _start(store: str, stack: ExitStack) -> str:
    """Start a server; return its URL. Missing: it cannot be had here."""
    if store == "etcd":
        return stack.enter_context(etcd(memory=False)).url()
    if store == "consul":
        server = stack.enter_context(consul(data=True, memory=False, settings=_CONSUL))
        return server.url(session_ttl_min="")
    if store.startswith("postgres"):
        return stack.enter_context(postgres(memory=False)).url()
    return f"{store}://"


def main() -> int:
    """Start what is asked for by name alone, hand on the rest."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--store", action="append", default=[])
    parser.add_argument("--help", "-h", action="store_true")
    known, rest = parser.parse_known_args()
    if known.help:
        return cli.main(["--help"])
    given: dict[str, str] = {}
    missing: dict[str, str] = {}
    wanted = known.store or list(STORES)
    if "--out" not in rest:
        rest += ["--out", str(RESULTS)]
    with ExitStack() as stack:
        for store in wanted:
            if store not in STORES:
                rest += ["--store", store]  # an address, or a mistake: the command says
                continue
            try:
                url = _start(store, stack)
            except Missing as error:
                missing[store] = str(error)
            else:
                given[store] = f"{store}://{url.partition('://')[2]}"
        return cli.main(rest, given=given, missing=missing)


if __name__ == "__main__":
    sys.exit(main())
