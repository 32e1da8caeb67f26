"""Imports gRPC without its fork handlers, and without its chatter.

The handlers run in every os.fork(), give up where a thread of gRPC is at work (one always is, in
ours), and then now and again crash the child: 7 to 18 of 60 with grpcio 1.85.1, none without
them. A child cannot go on with its parent's gRPC in any case. See docs/adr/0020.

gRPC also writes to standard error whatever becomes of a connection. Callers of this package learn
by exceptions what of it matters to them; errors are still written. Not so by the command, whose
one sentence says it all; the package is imported before any module of the command, so it is known
by its name.

The settings are read when grpc is imported, so they are here no longer than that; a program that
imports grpc before this package, or sets the variables itself, has decided for itself.
"""

import os
import sys


def _is_command() -> bool:
    script = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""  # noqa: PTH119
    return script == "incumbent" or sys.orig_argv[1:3] == ["-m", "incumbent._cli"]


_SETTINGS = {
    "GRPC_ENABLE_FORK_SUPPORT": "0",
    "GRPC_VERBOSITY": "NONE" if _is_command() else "ERROR",
}

if "grpc" not in sys.modules:
    _ours = {name: value for name, value in _SETTINGS.items() if name not in os.environ}
    os.environ.update(_ours)
    try:
        import grpc  # noqa: F401
    finally:
        for _name in _ours:
            del os.environ[_name]
