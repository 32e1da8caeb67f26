"""LOST by a drain, where the store moves no term: the SDK resigns, so that it is freed at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import Queue

import grpc

from incumbent import Client
from incumbent.v1 import election_service_pb2 as pb
from incumbent.v1 import error_reason_pb2
from tests.clients import an_election

TERM = pb.Term(election="demo", token=7)


class Draining:
    """Lets a client lead and tells it LOST; `said` is what comes after that, None the end."""

    def __init__(self) -> None:
        self.said: Queue[str | None] = Queue()

    def campaign(
        self, requests: Iterator[pb.CampaignRequest], _: object
    ) -> Iterator[pb.CampaignResponse]:
        next(requests)
        leading = pb.CampaignResponse(state=pb.STATE_LEADING, term=TERM)
        leading.trust_for.FromSeconds(5)
        leading.next_heartbeat_in.FromSeconds(1)
        yield leading
        yield pb.CampaignResponse(
            state=pb.STATE_LOST, term=TERM, reason=error_reason_pb2.ERROR_REASON_GATEWAY_DRAINING
        )
        try:
            for request in requests:
                self.said.put(request.WhichOneof("message"))
                if request.HasField("resign"):
                    return
        except grpc.RpcError:
            self.said.put(None)


@contextmanager
def serving(servicer: Draining) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2))
    campaign = grpc.stream_stream_rpc_method_handler(
        servicer.campaign, pb.CampaignRequest.FromString, pb.CampaignResponse.SerializeToString
    )
    handlers = {"Campaign": campaign}
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("incumbent.v1.ElectionService", handlers)]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def test_who_is_told_lost_by_a_drain_resigns() -> None:
    servicer = Draining()
    with (
        serving(servicer) as address,
        Client(address) as client,
        client.campaign(an_election()) as term,
    ):
        assert term.lost.wait(5)
        assert servicer.said.get(timeout=1) == "resign"
        assert not term.held
