"""What Consul's answers and failures mean for a verb: a sentence each, without address or token."""

import aiohttp

from incumbent_backends.api import BackendError, Rejected, Unavailable

NO_CONSUL = "what answers there is not a Consul"
NO_RIGHT = (
    "this ACL token lacks a right that Incumbent needs; see the policy for Consul in"
    " docs/operations.md"
)
BUSY = "Consul has too many requests or connections from here (429)"
NO_LEADER = "Consul has no leader now: nothing is granted"

_UNKNOWN_TOKEN = "Consul does not know this ACL token: it was revoked, or is mistyped"  # noqa: S105
# Refused before anything was done, and soon over.
_NO_LEADER = ("no cluster leader", "not ready to serve consistent reads", "leader is not yet known")


def to_mend(sentence: str, *, at_start: bool) -> BackendError:
    """What only an operator can mend: later it recovers without a restart."""
    return Rejected(sentence) if at_start else Unavailable(sentence)


def passing(status: int, body: str) -> str | None:
    """Say what is soon over: nothing was done, so the same call may be made again."""
    if status == 429:
        return BUSY
    if status >= 500 and any(text in body.lower() for text in _NO_LEADER):
        return NO_LEADER
    return None


def refused(status: int, body: str, *, at_start: bool) -> BackendError | None:
    """Say why an answer is none; None where a verb can read it (200, 404, 409)."""
    if status in (200, 404, 409):
        return None
    text = body.lower()
    if status in (401, 403):
        unknown = "acl not found" in text or "token does not exist" in text
        return to_mend(_UNKNOWN_TOKEN if unknown else NO_RIGHT, at_start=at_start)
    if "no path to datacenter" in text:
        return to_mend(
            "this Consul knows no such datacenter as the URL's dc, or cannot reach it now",
            at_start=at_start,
        )
    if "invalid session ttl" in text:
        return to_mend(
            "this Consul grants no session of this backend ttl: its session_ttl_min is higher than"
            " --backend-ttl",
            at_start=at_start,
        )
    if status == 400 and "http request to an https server" in text:
        return to_mend("this Consul speaks TLS: write consuls:// in the URL", at_start=at_start)
    if status == 413:
        return Unavailable("Consul takes no transaction of this size: see txn_max_req_len there")
    if status in (502, 503, 504) or status == 500:
        return Unavailable(f"Consul could not do this ({status}): see the log of its servers")
    return to_mend(NO_CONSUL, at_start=at_start)


def unreachable(error: Exception, *, at_start: bool) -> BackendError:
    """Say why there was no answer."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = str(error.certificate_error).lower()
        if "hostname mismatch" in reason or "ip address mismatch" in reason:
            return to_mend("Consul's certificate is not for the URL's host", at_start=at_start)
        return to_mend(
            "nobody in the URL's ca, or in the system's, has signed Consul's certificate",
            at_start=at_start,
        )
    if isinstance(error, aiohttp.ClientSSLError):
        return to_mend(
            "the URL asks for TLS, and what answers there speaks none, or refuses this gateway's"
            " certificate",
            at_start=at_start,
        )
    if isinstance(error, aiohttp.ClientResponseError):  # it does not even speak HTTP/1.1
        return to_mend(NO_CONSUL, at_start=at_start)
    return Unavailable("Consul cannot be reached, or the connection to it broke")
