"""What etcd's errors mean for a verb: one sentence each, without address or password.

etcd answers with a gRPC status and a text of its own, "etcdserver: …"; what gRPC says of its own
side, as of a handshake, is looked at for the few causes that waiting does not mend.
"""

import grpc

from incumbent_backends.api import BackendError, Rejected, Unavailable

# What an operator has to mend. Rejected at start; later Unavailable, as it was right before.
_TO_MEND = {
    "invalid user id or password": "etcd refuses this user's password",
    "user name is empty": "etcd asks for a user, and neither the URL nor a certificate names one",
    "authentication is not enabled": "the URL names a user, and this etcd knows none:"
    " leave the user out, or enable etcd's authentication",
    "permission denied": "this user lacks a right on Incumbent's keys in etcd;"
    " see the role in docs/operations.md",
    "certificate_verify_failed": "nobody in the URL's ca, or in the system's, has signed"
    " etcd's certificate, or it is not for the URL's host",
    "hostname verification check failed": "etcd's certificate is not for the URL's host",
    "http1.x server": "what answers there is not an etcd",
    "unexpected http status": "what answers there is not an etcd",
    "received http2 header with status: 4": "what answers there is not an etcd",
    "invalid content-type": "what answers there is not an etcd",
    "failed parsing http/2": "what answers there is not an etcd",
    "unknown service": "what answers there is not an etcd",
    "method not found": "what answers there is not an etcd",
    "tsi_data_corrupted": "etcd refuses the client's certificate, or asks for one:"
    " name cert and key",
    "create security handshaker": "a file that the URL names as ca, cert or key holds no such"
    " thing, or cert and key are no pair",
}
_LATER = {
    "requested lease not found": "this gateway's lease in etcd has ended; renewing opens one",
    "database space exceeded": "etcd has no space (NOSPACE): compact, defragment and disarm it",
    "no leader": "etcd has no leader",
    "leader changed": "etcd has changed its leader meanwhile",
    "too many requests": "etcd is overloaded",
    "request timed out": "etcd has no quorum, or is slow",
    "not supported for learner": "this member of etcd is a learner: name others in the URL",
    "corrupt cluster": "etcd says that its data is corrupt",
}
_STALE = ("invalid auth token", "revision of auth store is old")


def is_stale(error: grpc.aio.AioRpcError) -> bool:
    """Whether only the token of our authentication has expired; nothing was done then."""
    return any(part in _text(error) for part in _STALE)


def is_gone(error: grpc.aio.AioRpcError) -> bool:
    """Whether the lease that a call spoke of has ended."""
    return "requested lease not found" in _text(error)


def is_elsewhere(error: grpc.aio.AioRpcError) -> bool:
    """Whether another member might do better."""
    return error.code() in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
    ) or "learner" in _text(error)


def translate(error: grpc.aio.AioRpcError, *, at_start: bool) -> BackendError:
    """Say what an error means."""
    text = _text(error)
    for part, sentence in _TO_MEND.items():
        if part in text:
            return to_mend(sentence, at_start=at_start)
    for part, sentence in _LATER.items():
        if part in text:
            return Unavailable(sentence)
    code = error.code()
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return to_mend("what answers there is not an etcd", at_start=at_start)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Unavailable("etcd did not answer in time")
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return Unavailable("etcd cannot be reached, or the connection to it broke")
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return Rejected("etcd cannot keep this; its limits on requests may be too low")
    return Unavailable(f"etcd answers with an error that is not known here ({code.name})")


def to_mend(sentence: str, *, at_start: bool) -> BackendError:
    """What only an operator can mend: later it recovers without a restart."""
    return Rejected(sentence) if at_start else Unavailable(sentence)


def _text(error: grpc.aio.AioRpcError) -> str:
    return (error.details() or "").lower()
