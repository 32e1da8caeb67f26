"""`python -m tests.servers`, of `make stores`: start each store once, and say what it is."""

import sys

from tests.servers.consul import consul
from tests.servers.etcd import VERSIONS, etcd
from tests.servers.postgres import INSTALLS, postgres
from tests.servers.server import Missing


def main() -> int:
    code = 0
    starts = dict.fromkeys(INSTALLS, postgres) | dict.fromkeys(VERSIONS, etcd)
    for name, start in (starts | {"consul": lambda name: consul(name=name)}).items():
        try:
            with start(name) as server:
                print(f"{name}: {server.version()}")
        except Missing as missing:
            print(missing)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
