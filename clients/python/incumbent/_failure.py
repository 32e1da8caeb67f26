"""How a call ended, and what that means for the caller of this package."""

from collections.abc import Mapping

from grpc import StatusCode, aio

from incumbent._state import REFUSALS
from incumbent.errors import IncumbentError, InvalidArgument, Refused, Unavailable

REASON = "incumbent-reason"


class Failure(Exception):
    """The gRPC status of a call, the gateway's word, and what it said."""

    def __init__(self, status: str, reason: str, message: str) -> None:
        super().__init__(message)
        self.status: str = status
        self.reason: str = reason
        self.message: str = message

    def __str__(self) -> str:
        return self.message or self.reason or self.status

    @property
    def final(self) -> bool:
        """Whether another try would end the same way."""
        return self.status in REFUSALS

    def to_error(self) -> IncumbentError:
        """Make what the caller is told of a refusal."""
        kind = InvalidArgument if self.status == "INVALID_ARGUMENT" else Refused
        return kind(str(self), self.status, self.reason)


def failure(code: StatusCode | None, trailing: aio.Metadata | None, details: str | None) -> Failure:
    """Read a call's status."""
    reason = next((str(value) for key, value in trailing or () if key == REASON), "")
    return Failure("UNKNOWN" if code is None else code.name, reason, details or "")


def failure_of(error: aio.AioRpcError) -> Failure:
    """Read the status of a call that raised."""
    return failure(error.code(), error.trailing_metadata(), error.details())


def unavailable(within: float | None, said: Mapping[str, Failure]) -> Unavailable:
    """Say which gateways were tried and what each said."""
    each = "; ".join(f"{address}: {how}" for address, how in said.items()) or "none was tried"
    return Unavailable(f"no gateway answered within {within or 0:g} s: {each}")
