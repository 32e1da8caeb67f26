"""One gRPC channel a gateway and purpose, opened when first needed."""

import math
from typing import Final

import grpc
from grpc import aio

from incumbent._target import Target
from incumbent.v1 import election_service_pb2_grpc as rpc

# A connection of its own, so that nothing else can hold up heartbeats. A frozen gateway is noticed
# by pings; one that came back is found within half a second. Every `enter` has an attempt of its
# own: nothing may be retried behind our back.
OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # how long one attempt to connect may take
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.keepalive_time_ms", 2_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.http2.ping_timeout_ms", 2_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.enable_retries", 0),
    # A name is looked up again soon: a gateway may come back at another address, and by default
    # that is found out after 30 s, when trust has run out.
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    ("grpc.primary_user_agent", "incumbent-python"),
)


class Channels:
    """The channels of one purpose to all gateways. Belongs to one event loop."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._open: dict[int, tuple[aio.Channel, rpc.ElectionServiceAsyncStub]] = {}
        self._heard: dict[int, float] = {}
        self.preferred: int = 0  # the gateway that answered last

    def hears(self, gateway: int, at: float) -> None:
        """Remember who answers."""
        self._heard[gateway] = at
        self.preferred = gateway

    def heard_at(self, gateway: int) -> float:
        """Tell at which instant the gateway of this number was heard last."""
        return self._heard.get(gateway, -math.inf)

    def stub(self, gateway: int) -> "rpc.ElectionServiceAsyncStub":
        """Give the calls of the gateway of this number."""
        if gateway not in self._open:
            channel = self._connect(self._target.addresses[gateway])
            self._open[gateway] = (channel, rpc.ElectionServiceStub(channel))
        return self._open[gateway][1]

    def _connect(self, address: str) -> aio.Channel:
        tls = self._target.tls
        if tls is None:
            # Plaintext goes where the caller said, not to whom http_proxy names.
            return aio.insecure_channel(address, options=(*OPTIONS, ("grpc.enable_http_proxy", 0)))
        credentials = grpc.ssl_channel_credentials(tls.ca, tls.key, tls.certificate)
        options = OPTIONS
        if tls.server_name is not None:
            options += (("grpc.ssl_target_name_override", tls.server_name),)  # type: ignore[assignment]
        return aio.secure_channel(address, credentials, options=options)

    async def close(self) -> None:
        """Close all of them, and every call on them."""
        opened, self._open = self._open, {}
        for channel, _ in opened.values():
            await channel.close()
