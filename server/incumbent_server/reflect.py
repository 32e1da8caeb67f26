"""Server reflection, so that grpcurl and its like need no proto files.

grpcio-reflection serves `v1alpha` only. `v1` has the same messages under another package name,
the same bytes on the wire, so one servicer answers for both.
"""

from collections.abc import Sequence
from typing import Final

import grpc
from grpc import aio
from grpc_reflection.v1alpha import reflection, reflection_pb2

V1: Final = "grpc.reflection.v1.ServerReflection"


def enable_reflection(services: Sequence[str], server: aio.Server) -> None:
    """Serve grpc.reflection.v1 and v1alpha for `services` and themselves."""
    names = (*services, V1, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    answer = grpc.stream_stream_rpc_method_handler(
        reflection.aio.ReflectionServicer(names).ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    handlers = {"ServerReflectionInfo": answer}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(V1, handlers),))
