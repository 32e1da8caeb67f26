"""The floor: the gateway's service with empty handlers. Run as `python -m bench.floor`.

It decodes the same requests and encodes responses of the same size through the same gRPC options,
and does nothing else: what it costs is gRPC, protobuf and asyncio.
"""

import asyncio
import json
import signal
import sys
from typing import Any

from google.protobuf import duration_pb2, timestamp_pb2
from grpc import aio

from incumbent.v1 import election_service_pb2 as pb
from incumbent.v1 import election_service_pb2_grpc
from incumbent_server.app import OPTIONS

# As the gateway answers a heartbeat; the sequence is above any that is sent.
ANSWER = pb.CampaignResponse(
    state=pb.STATE_LEADING,
    term=pb.Term(
        election="bench/500-500/00000",
        token=1_000,
        candidate="candidate-01234567",
        begin_time=timestamp_pb2.Timestamp(seconds=1_750_000_000, nanos=123_456_789),
    ),
    sequence=1_000_000_000,
    trust_for=duration_pb2.Duration(seconds=14, nanos=123_456_789),
    next_heartbeat_in=duration_pb2.Duration(seconds=4, nanos=123_456_789),
)


class Floor(election_service_pb2_grpc.ElectionServiceServicer):
    """Answers every message at once, always the same."""

    async def Campaign(  # type: ignore[override]  # noqa: N802 - the name of the RPC
        self, request_iterator: object, context: aio.ServicerContext[Any, Any]
    ) -> None:
        while await context.read() is not aio.EOF:
            await context.write(ANSWER)
        await asyncio.Event().wait()  # half-closed: as a RELEASE stream without heartbeats

    async def Observe(  # type: ignore[override]  # noqa: N802 - the name of the RPC
        self, request: pb.ObserveRequest, context: aio.ServicerContext[Any, Any]
    ) -> None:
        await context.write(pb.ObserveResponse(election=request.election))
        await context.write(pb.ObserveResponse(synced=True))
        await asyncio.Event().wait()


async def main() -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = aio.server(options=OPTIONS)
    election_service_pb2_grpc.add_ElectionServiceServicer_to_server(
        Floor(),  # type: ignore[abstract]  # the rest is UNIMPLEMENTED
        server,
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(json.dumps({"event": "serving", "grpc": f"127.0.0.1:{port}"}), file=sys.stderr)
    await stop.wait()
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(main())
