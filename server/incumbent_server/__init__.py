"""The Incumbent leader-election gateway."""

import os

# gRPC reads it when it is imported. Without it, each client that gave a connection up puts a line
# of gRPC's own among those of the gateway's log.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
