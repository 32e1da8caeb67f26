"""What callers ask for, checked before anything is sent."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from incumbent._target import seconds
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
    for name, text in (("election", election), ("candidate", candidate)):
        if not isinstance(text, str):
            raise ValueError(f"{name} must be a str, not {type(text).__name__}")
        text.encode()  # UnicodeEncodeError, a ValueError, for what is no text
    period = seconds(ttl, "ttl")
    if not 1 <= period <= 3_600:
        raise ValueError(f"ttl must be 1 s to 1 h, not {period:g} s")
    return Plan(
        election=election,
        candidate=candidate,
        value=None if value is None else to_value(value),
        ttl=period,
        no_wait=no_wait,
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
    return election, prefix or ""
