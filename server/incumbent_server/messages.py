"""From what the core says to what the wire carries, and back."""

import hashlib
from datetime import timedelta

from google.protobuf import duration_pb2

from incumbent.v1 import election_service_pb2 as pb
from incumbent_backends.api import Expiry, Limits, Term
from incumbent_server import validate
from incumbent_server.candidacy import Answer, Entry, State, View
from incumbent_server.clock import World
from incumbent_server.errors import to_proto_reason

_STATES = {
    State.WAITING: pb.STATE_WAITING,
    State.LEADING: pb.STATE_LEADING,
    State.JEOPARDY: pb.STATE_JEOPARDY,
    State.LOST: pb.STATE_LOST,
}
_EXPIRIES = {Expiry.LEASE: pb.EXPIRY_LEASE, Expiry.SESSION: pb.EXPIRY_SESSION}
CLIENT_CRASH_SLACK = timedelta(milliseconds=250)  # from a ttl that ran out to a successor


def holder(credential: str) -> str:
    """Make of a credential what the store may know."""
    return hashlib.sha256(credential.encode()).hexdigest()


def to_entry(enter: pb.Enter, world: World) -> tuple[Entry, str]:
    """Check an `enter`; return it with the credential that the gateway made, "" if none.

    Raises Refused (INVALID_FIELD). `enter.election` is checked by the caller.
    """
    made = "" if enter.credential else world.credential()
    has_value = enter.HasField("value")
    entry = Entry(
        holder=holder(made or validate.credential(enter.credential)),
        attempt=validate.attempt(enter.attempt),
        candidate=validate.candidate(enter.candidate) or world.label(),
        value=validate.value(enter.value) if has_value else None,
        ttl=validate.ttl(enter.ttl if enter.HasField("ttl") else None).total_seconds(),
        keep=validate.keeps(enter.on_disconnect, has_credential=bool(enter.credential)),
        no_wait=enter.no_wait,
        resume=validate.resume_token(
            enter.resume_token if enter.HasField("resume_token") else None
        ),
    )
    return entry, made


def to_term(term: Term | None) -> pb.Term | None:
    """Make the wire's term, without what only the store may know."""
    if term is None:
        return None
    message = pb.Term(
        election=term.election, token=term.token, candidate=term.candidate, value=term.value
    )
    message.begin_time.FromDatetime(term.begin_time)
    return message


class Responses:
    """Makes the messages of one Campaign, each in the same object where only numbers changed.

    A message must be on its way (grpc serialises it at once) before the next one is made.
    """

    __slots__ = ("_last", "_response")

    def __init__(self) -> None:
        self._last: View | None = None
        self._response = pb.CampaignResponse()

    def make(self, view: View, next_heartbeat_in: float | None) -> pb.CampaignResponse:
        """Make the message of a view; None in the last one, after which no heartbeat is due."""
        last, response = self._last, self._response
        if last is None or view[:3] != last[:3] or view.reason is not last.reason:
            response = self._response = pb.CampaignResponse(
                state=_STATES[view.state],
                term=to_term(view.term),
                position=view.position,
                reason=to_proto_reason(view.reason),
            )
        self._last = view
        response.sequence = view.sequence
        _set(response, "trust_for", view.trust)
        _set(response, "next_heartbeat_in", next_heartbeat_in)
        return response

    def again(self, answer: Answer, sequence: int) -> pb.CampaignResponse | None:
        """Make a sound leader's next message; None where the last one told anything else."""
        last, response = self._last, self._response
        if last is None or last.state is not State.LEADING or last.term is not answer.term:
            return None
        response.sequence = sequence
        _set(response, "trust_for", answer.trust)
        _set(response, "next_heartbeat_in", answer.next_heartbeat_in)
        return response


def _set(response: pb.CampaignResponse, field: str, seconds: float | None) -> None:
    """Set a Duration. Rounds down: what is promised must not grow on the way."""
    if seconds is None:
        response.ClearField(field)  # type: ignore[arg-type]
        return
    duration: duration_pb2.Duration = getattr(response, field)
    whole = int(seconds)
    duration.seconds, duration.nanos = whole, int((seconds - whole) * 1e9)
    if not seconds:
        duration.SetInParent()  # no time at all is a statement, not an unset field


def to_backend(limits: Limits, backend_ttl: timedelta) -> pb.GetBackendResponse:
    """Say what the store promises; the worst cases follow from its limits."""
    ttl = limits.granted_ttl or backend_ttl
    return pb.GetBackendResponse(
        kind=limits.kind,
        expiry=_EXPIRIES[limits.expiry],
        min_backend_ttl=_exactly(limits.min_backend_ttl),
        max_backend_ttl=_exactly(limits.max_backend_ttl),
        backend_ttl=_exactly(ttl),
        failover_client_crash=_exactly(validate.DEFAULT_TTL + CLIENT_CRASH_SLACK),
        failover_gateway_crash=_exactly(ttl * limits.expiry_factor + limits.expiry_slack),
        survives_gateway=limits.survives_gateway,
        survives_restart=limits.survives_restart,
        notes=limits.notes,
    )


def _exactly(period: timedelta) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromTimedelta(period)
    return duration
