"""Imports gRPC without its fork handlers, which crash some children of a busy process.

gRPC's handlers run in every os.fork(), give up where a thread of gRPC is at work (one always is, in
ours), and then now and again crash the child: 7 to 18 of 60 with grpcio 1.85.1, none without
them. A child cannot go on with its parent's gRPC in any case. See docs/adr/0020.

The setting is read when grpc is imported, so it is here no longer than that; a program that imports
grpc before this package, or sets the variable itself, has decided for itself.
"""

import os
import sys

_SETTING = "GRPC_ENABLE_FORK_SUPPORT"

if "grpc" not in sys.modules and _SETTING not in os.environ:
    os.environ[_SETTING] = "0"
    try:
        import grpc  # noqa: F401
    finally:
        del os.environ[_SETTING]
