"""Server reflection, so that grpcurl and its like need no proto files.

grpcio-reflection serves `v1alpha` only. `v1` has the same messages under another package name,
the same bytes on the wire, so one servicer answers for both, and the description of `v1` is that
of `v1alpha` with the other name.
"""

from collections.abc import Sequence
from typing import Final

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc import aio
from grpc_reflection.v1alpha import reflection, reflection_pb2

OLD: Final = "grpc.reflection.v1alpha"
NEW: Final = "grpc.reflection.v1"
V1: Final = f"{NEW}.ServerReflection"


def enable_reflection(services: Sequence[str], server: aio.Server) -> None:
    """Serve grpc.reflection.v1 and v1alpha for `services` and themselves."""
    _describe_v1(descriptor_pool.Default())
    names = (*services, V1, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    answer = grpc.stream_stream_rpc_method_handler(
        reflection.aio.ReflectionServicer(names).ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    handlers = {"ServerReflectionInfo": answer}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(V1, handlers),))


def _describe_v1(pool: descriptor_pool.DescriptorPool) -> None:
    try:
        pool.FindFileContainingSymbol(V1)
    except KeyError:
        file = descriptor_pb2.FileDescriptorProto()
        file.ParseFromString(reflection_pb2.DESCRIPTOR.serialized_pb)
        file.name, file.package = "grpc/reflection/v1/reflection.proto", NEW
        for message in file.message_type:
            for field in (each for each in message.field if each.type_name):
                field.type_name = field.type_name.replace(f".{OLD}.", f".{NEW}.")
        for method in file.service[0].method:
            method.input_type = method.input_type.replace(f".{OLD}.", f".{NEW}.")
            method.output_type = method.output_type.replace(f".{OLD}.", f".{NEW}.")
        pool.AddSerializedFile(file.SerializeToString())
