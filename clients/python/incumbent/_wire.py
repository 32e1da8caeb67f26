"""Between this package's values and the messages of `incumbent.v1`."""

from datetime import UTC, timedelta
from typing import TypeVar

from google.protobuf import duration_pb2

from incumbent._state import Enter, Heard, Phase
from incumbent.v1 import election_service_pb2 as pb
from incumbent.v1 import error_reason_pb2
from incumbent.values import (
    Backend,
    Election,
    Expiry,
    Leader,
    Observation,
    OnDisconnect,
    Verification,
)

T = TypeVar("T")

_PHASES = {
    pb.STATE_WAITING: Phase.WAITING,
    pb.STATE_LEADING: Phase.LEADING,
    pb.STATE_JEOPARDY: Phase.JEOPARDY,
    pb.STATE_LOST: Phase.OVER,
}
_ON_DISCONNECT = {
    OnDisconnect.KEEP: pb.ON_DISCONNECT_KEEP,
    OnDisconnect.RELEASE: pb.ON_DISCONNECT_RELEASE,
}
_EXPIRIES = {pb.EXPIRY_LEASE: Expiry.LEASE, pb.EXPIRY_SESSION: Expiry.SESSION}


def to_enter(
    enter: Enter,
    *,
    election: str,
    candidate: str,
    value: bytes | None,
    ttl: float,
    no_wait: bool,
    on_disconnect: OnDisconnect,
    credential: str,
) -> pb.CampaignRequest:
    """Make the `enter` of a stream. `value` None: empty, or on a resume what is proclaimed."""
    duration = duration_pb2.Duration()
    duration.FromTimedelta(timedelta(seconds=ttl))
    message = pb.Enter(
        election=election,
        candidate=candidate,
        ttl=duration,
        no_wait=no_wait,
        on_disconnect=_ON_DISCONNECT[on_disconnect],
        credential=credential,
        attempt=enter.attempt,
    )
    if value is not None:
        message.value = value
    if enter.resume_token is not None:
        message.resume_token = enter.resume_token
    return pb.CampaignRequest(enter=message)


def to_heard(response: pb.CampaignResponse) -> Heard:
    """Read a response. A state that is not known here counts as LOST."""
    return Heard(
        phase=_PHASES.get(response.state, Phase.OVER),
        token=response.term.token,
        sequence=response.sequence,
        trust_for=_seconds(response, "trust_for"),
        next_heartbeat_in=_seconds(response, "next_heartbeat_in"),
        reason=_reason(response),
    )


def _seconds(response: pb.CampaignResponse, name: str) -> float | None:
    if not response.HasField(name):  # type: ignore[arg-type]
        return None
    duration: duration_pb2.Duration = getattr(response, name)
    return duration.seconds + duration.nanos / 1e9


def _reason(response: pb.CampaignResponse) -> str:
    if not response.reason:
        return ""
    try:
        name = error_reason_pb2.ErrorReason.Name(response.reason)
    except ValueError:  # of a newer gateway
        return f"REASON_{response.reason}"
    return name.removeprefix("ERROR_REASON_")


def to_leader(term: pb.Term) -> Leader:
    """Read a term."""
    return Leader(
        election=term.election,
        token=term.token,
        candidate=term.candidate,
        value=term.value,
        begin_time=term.begin_time.ToDatetime(tzinfo=UTC),
    )


def leader_of(
    message: pb.CampaignResponse
    | pb.ResignResponse
    | pb.GetLeaderResponse
    | pb.VerifyTokenResponse
    | pb.ObserveResponse
    | pb.ElectionSummary,
) -> Leader | None:
    """Read the term of a message; None where it is unset."""
    return to_leader(message.term) if message.HasField("term") else None


def to_observation(response: pb.ObserveResponse) -> Observation:
    """Read a message of an Observe stream."""
    return Observation(response.election, leader_of(response), response.synced)


def to_verification(response: pb.VerifyTokenResponse) -> Verification:
    """Read the answer about a token."""
    return Verification(response.current, leader_of(response))


def to_election(summary: pb.ElectionSummary) -> Election:
    """Read one line of a list."""
    return Election(summary.election, leader_of(summary), summary.waiting)


def to_backend(response: pb.GetBackendResponse) -> Backend:
    """Read what a store promises."""
    return Backend(
        kind=response.kind,
        expiry=_EXPIRIES.get(response.expiry, Expiry.SESSION),
        min_backend_ttl=response.min_backend_ttl.ToTimedelta(),
        max_backend_ttl=response.max_backend_ttl.ToTimedelta(),
        backend_ttl=response.backend_ttl.ToTimedelta(),
        failover_client_crash=response.failover_client_crash.ToTimedelta(),
        failover_gateway_crash=response.failover_gateway_crash.ToTimedelta(),
        survives_gateway=response.survives_gateway,
        survives_restart=response.survives_restart,
        notes=tuple(response.notes),
    )
