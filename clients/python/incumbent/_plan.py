"""What callers ask for, checked before anything is sent."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from incumbent._target import boolean, seconds, text
from incumbent.values import OnDisconnect, Trust

DEFAULT_TTL = 10.0  # seconds
VALUE_LIMIT = 4_096  # bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """What a campaign is for."""

    election: str
    candidate: str
    value: bytes | None
    ttl: float
    no_wait: bool
    on_disconnect: OnDisconnect
    timeout: float | None  # until it must lead
    on_trust: Callable[[Trust], None] | None


def to_plan(
    election: str,
    candidate: str,
    value: bytes | None,
    ttl: float | timedelta,
    no_wait: bool,
    on_disconnect: OnDisconnect,
    timeout: float | timedelta | None,
    on_trust: Callable[[Trust], None] | None,
) -> Plan:
    """Check the arguments of a campaign. Raises ValueError."""
    if not (on_trust is None or callable(on_trust)):
        raise ValueError(f"on_trust must be callable, not {type(on_trust).__name__}")
    period = seconds(ttl, "ttl")
    if not 1 <= period <= 3_600:
        raise ValueError(f"ttl must be 1 s to 1 h, not {period:g} s")
    return Plan(
        election=text(election, "election"),
        candidate=text(candidate, "candidate"),
        value=None if value is None else to_value(value),
        ttl=period,
        no_wait=boolean(no_wait, "no_wait"),
        on_disconnect=OnDisconnect(on_disconnect),
        timeout=None if timeout is None else seconds(timeout, "timeout"),
        on_trust=on_trust,
    )


def to_value(value: bytes) -> bytes:
    """Check what is to be proclaimed. Raises ValueError."""
    if not isinstance(value, bytes):
        raise ValueError(f"value must be bytes, not {type(value).__name__}")
    if len(value) > VALUE_LIMIT:
        raise ValueError(f"value must be {VALUE_LIMIT:,} bytes at most, not {len(value):,}")
    return value


def to_scope(election: str | None, prefix: str | None) -> tuple[str | None, str]:
    """Check what is to be observed. Raises ValueError."""
    if election is not None and prefix is not None:
        raise ValueError("observe one election or a prefix, not both")
    if election is not None:
        return text(election, "election"), ""
    return None, "" if prefix is None else text(prefix, "prefix")
