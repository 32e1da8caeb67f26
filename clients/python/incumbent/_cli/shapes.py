"""What `--output json` writes: one object a line, its keys fixed. Pure.

Durations are seconds, times are RFC 3339 in UTC, a value is base64 and, where it is UTF-8, text.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from incumbent import Backend, Election, Leader, Observation, Verification

Shape = Mapping[str, Any]


def time_text(time: datetime) -> str:
    """Write a time as RFC 3339."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def value_text(value: bytes) -> str | None:
    """Read a value as text; None if it is none."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def term_shape(term: Leader) -> Shape:
    """A term, without its election."""
    return {
        "token": term.token,
        "candidate": term.candidate,
        "value": b64encode(term.value).decode(),
        "value_text": value_text(term.value),
        "begin_time": time_text(term.begin_time),
    }


def leader_shape(election: str, leader: Leader | None) -> Shape:
    """Who leads; null for nobody."""
    return {"election": election, "leader": None if leader is None else term_shape(leader)}


def observation_shape(told: Observation) -> Shape:
    """One news of an observer, or the mark after the first whole state."""
    return {"synced": True} if told.synced else leader_shape(told.election, told.leader)


def verification_shape(election: str, token: int, told: Verification) -> Shape:
    """Whether a token is current."""
    head = {"election": election, "token": token, "current": told.current}
    return {**head, **leader_shape(election, told.leader)}


def election_shape(told: Election) -> Shape:
    """One line of the list."""
    return {**leader_shape(told.election, told.leader), "waiting": told.waiting}


def resigned_shape(election: str, ended: Leader | None) -> Shape:
    """The term that a resign ended; null for a candidate that only waited."""
    return {"election": election, "ended": None if ended is None else term_shape(ended)}


def backend_shape(backend: Backend) -> Shape:
    """The store and its promises."""
    fields = asdict(backend) | {"expiry": str(backend.expiry), "notes": list(backend.notes)}
    return {
        name: each.total_seconds() if isinstance(each, timedelta) else each
        for name, each in fields.items()
    }
