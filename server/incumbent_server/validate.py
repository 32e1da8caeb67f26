"""What a request may hold: each function takes one field's value and returns it usable, or refuses.

A refusal is `Refused(INVALID_FIELD)`. Its metadata `field` is the path as in the proto, such as
`enter.ttl`; its message says what is allowed and never repeats what was sent: it may be a secret.
"""

import base64
import binascii
import re
import unicodedata
from datetime import timedelta
from typing import Final, Protocol

from incumbent.v1 import election_service_pb2 as pb
from incumbent_server.reasons import Reason, Refused

DEFAULT_TTL: Final = timedelta(seconds=10)
MIN_TTL: Final = timedelta(seconds=1)
MAX_TTL: Final = timedelta(hours=1)
MAX_NAME_BYTES: Final = 255
MAX_SEGMENTS: Final = 8
MAX_CANDIDATE: Final = 128
MAX_VALUE: Final = 4096
DEFAULT_PAGE: Final = 100
MAX_PAGE: Final = 1000
MAX_INT64: Final = 2**63 - 1

_SEGMENT = re.compile(r"[A-Za-z0-9._-]{1,63}")
_CREDENTIAL = re.compile(r"[A-Za-z0-9_-]{22,64}")
_DIGITS = re.compile(r"[0-9]{1,19}")
# Control characters, lone surrogates, and the separators that break a line of a log or a table.
_UNFIT_FOR_A_LABEL: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_NANOS_A_SECOND: Final = 10**9

_SEGMENTS_ARE = (
    "1 to 8 segments of 1 to 63 characters A-Z a-z 0-9 . _ - joined by '/', 255 bytes at most, "
    "none of them '.' or '..'"
)


class DurationLike(Protocol):
    """What of `google.protobuf.Duration` counts here."""

    @property
    def seconds(self) -> int: ...
    @property
    def nanos(self) -> int: ...


def invalid(field: str, allowed: str) -> Refused:
    """The refusal of `field`; `allowed` completes "field must be …"."""
    return Refused(Reason.INVALID_FIELD, f"{field} must be {allowed}", metadata={"field": field})


def out_of_order(field: str, allowed: str) -> Refused:
    """The refusal of a whole message of a stream; `allowed` completes "field must …"."""
    return Refused(Reason.INVALID_FIELD, f"{field} must {allowed}", metadata={"field": field})


def election(name: str, field: str = "election") -> str:
    """The name of an election."""
    if not _is_name(name):
        raise invalid(field, f"the name of an election: {_SEGMENTS_ARE}")
    return name


def prefix(beginning: str, field: str = "prefix") -> str:
    """The beginning of names, which ends at a `/`; empty for all."""
    if beginning == "":
        return beginning
    if len(beginning) > MAX_NAME_BYTES or beginning[-1] != "/" or not _is_name(beginning[:-1]):
        raise invalid(field, f"empty, or end at a '/' after {_SEGMENTS_ARE}")
    return beginning


def _is_name(name: str) -> bool:
    # The characters are ASCII, so their number is that of the bytes.
    segments = name.split("/")
    return (
        len(name) <= MAX_NAME_BYTES
        and len(segments) <= MAX_SEGMENTS
        and all(_SEGMENT.fullmatch(each) and each not in {".", ".."} for each in segments)
    )


def candidate(label: str, field: str = "enter.candidate") -> str:
    """The label of a candidate; empty asks the gateway to make one."""
    fits = len(label) <= MAX_CANDIDATE
    if not fits or any(unicodedata.category(each) in _UNFIT_FOR_A_LABEL for each in label):
        raise invalid(
            field,
            f"at most {MAX_CANDIDATE} code points without control characters or line separators",
        )
    return label


def value(content: bytes, field: str = "enter.value") -> bytes:
    """What a candidate proclaims."""
    if len(content) > MAX_VALUE:
        raise invalid(field, f"at most {MAX_VALUE} bytes")
    return content


def ttl(duration: DurationLike | None, field: str = "enter.ttl") -> timedelta:
    """How long the gateway bears silence; None, which is an unset field, is the default."""
    if duration is None:
        return DEFAULT_TTL
    well_formed = abs(duration.nanos) < _NANOS_A_SECOND and duration.seconds * duration.nanos >= 0
    nanos = duration.seconds * _NANOS_A_SECOND + duration.nanos
    if not well_formed or not _nanos_of(MIN_TTL) <= nanos <= _nanos_of(MAX_TTL):
        raise invalid(field, "1 s to 1 h, or unset for 10 s")
    return timedelta(microseconds=nanos // 1000)


def _nanos_of(period: timedelta) -> int:
    return period // timedelta(microseconds=1) * 1000


def credential(secret: str, field: str = "enter.credential") -> str:
    """The secret of a candidacy. The refusal never repeats it."""
    if not _CREDENTIAL.fullmatch(secret):
        raise invalid(
            field, "22 to 64 characters of base64url (A-Z a-z 0-9 - _) that hold 128 random bits"
        )
    return secret


def keeps(choice: int, *, has_credential: bool, field: str = "enter.on_disconnect") -> bool:
    """Whether a candidacy outlives its stream: KEEP. Unset, the credential decides."""
    if choice == pb.ON_DISCONNECT_UNSPECIFIED:
        return has_credential
    if choice not in {pb.ON_DISCONNECT_KEEP, pb.ON_DISCONNECT_RELEASE}:
        raise invalid(field, "ON_DISCONNECT_KEEP, ON_DISCONNECT_RELEASE or unset")
    return choice == pb.ON_DISCONNECT_KEEP


def attempt(number: int, field: str = "enter.attempt") -> int:
    """The number of an `enter` under its credential; 0, which is unset, is the first."""
    if number < 0:
        raise invalid(field, "1 or more, or unset for 1")
    return number or 1


def resume_token(token_or_none: int | None, field: str = "enter.resume_token") -> int | None:
    """The token of the term to go on with, if any."""
    return None if token_or_none is None else token(token_or_none, field)


def token(number: int, field: str = "token") -> int:
    """A fencing token."""
    if not 0 < number <= MAX_INT64:
        raise invalid(field, "a fencing token: a whole number from 1 to 9223372036854775807")
    return number


def token_text(text: str, field: str = "token") -> int:
    """A fencing token written in decimal digits, as in a URL."""
    return token(int(text) if _DIGITS.fullmatch(text) else 0, field)


def sequence(number: int, last: int, field: str = "heartbeat.sequence") -> int:
    """The number of a heartbeat that follows heartbeat `last`, 0 for the `enter`."""
    if not last < number <= MAX_INT64:
        raise invalid(field, "1 or more, and greater than that of every earlier heartbeat")
    return number


def page_size(number: int, field: str = "page_size") -> int:
    """How many elections a page holds; 0, which is unset, is the default."""
    if not 0 <= number <= MAX_PAGE:
        raise invalid(field, f"1 to {MAX_PAGE}, or unset for {DEFAULT_PAGE}")
    return number or DEFAULT_PAGE


def to_page_token(last: str) -> str:
    """The token of the page that begins after the election `last`."""
    return base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def page_token(text: str, beginning: str = "", field: str = "page_token") -> str:
    """The election after which the page begins; empty for the first page of this prefix."""
    if text == "":
        return ""
    last = _decoded(text)
    if last is None or not _is_name(last) or not last.startswith(beginning):
        raise invalid(field, "empty or the next_page_token of a response to the same prefix")
    return last


def _decoded(text: str) -> str | None:
    try:
        last = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return last.decode("ascii")
    except (binascii.Error, ValueError):
        return None
