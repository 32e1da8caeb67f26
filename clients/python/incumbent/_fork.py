"""Imports gRPC without its fork handlers, and without its chatter.

The handlers run in every os.fork(), give up where a thread of gRPC is at work (one always is, in
ours), and then now and again crash the child: 7 to 18 of 60 with grpcio 1.85.1, none without
them. A child cannot go on with its parent's gRPC in any case. See docs/adr/0020.

gRPC also writes to standard error whatever becomes of a connection. Callers of this package learn
by exceptions what of it matters to them; errors are still written.

The settings are read when grpc is imported, so they are here no longer than that; a program that
imports grpc before this package, or sets the variables itself, has decided for itself.
"""

import os
import sys

_SETTINGS = {"GRPC_ENABLE_FORK_SUPPORT": "0", "GRPC_VERBOSITY": "ERROR"}

if "grpc" not in sys.modules:
    _ours = {name: value for name, value in _SETTINGS.items() if name not in os.environ}
    os.environ.update(_ours)
    try:
        import grpc  # noqa: F401
    finally:
        for _name in _ours:
            del os.environ[_name]
