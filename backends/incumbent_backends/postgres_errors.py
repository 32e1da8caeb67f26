"""What PostgreSQL's errors mean for a verb: one sentence each, without SQL, address or password.

By SQLSTATE where there is one. What goes wrong while connecting has none in libpq, so the text is
looked at for the few causes that waiting does not mend. At start a text that says nothing here, as
a server writes in its own language, has the code found out: postgres_cause.py. What is still not
known is taken for something that waiting may mend.
"""

import re

import psycopg

from incumbent_backends.api import BackendError, Rejected, Unavailable

# What an operator has to mend. Rejected at start; later Unavailable, as it was right before.
_TO_MEND = {
    "28000": "PostgreSQL does not let this user in",
    "28P01": "PostgreSQL refuses this user's password",
    "3D000": "there is no such database in this PostgreSQL",
    "42501": "this user lacks a right on Incumbent's tables; see the grants in docs/operations.md",
}
_REFUSED = "PostgreSQL refuses a parameter of the URL, as one in its options"
_UNUSABLE = (
    "the URL's parameters cannot be used as they are, or not together: see host, port, hostaddr and"
    " those of TLS in PostgreSQL's documentation of connection strings"
)
_WHILE_CONNECTING = {
    "password authentication failed": _TO_MEND["28P01"],
    "no password supplied": "PostgreSQL asks for a password, and the URL has none",
    "no pg_hba.conf entry": _TO_MEND["28000"],
    "permission denied for database": _TO_MEND["28000"],
    "is not permitted to log in": _TO_MEND["28000"],
    "certificate authentication failed": _TO_MEND["28000"],
    "peer authentication failed": _TO_MEND["28000"],
    "received invalid response to ssl negotiation": "what answers there is not a PostgreSQL",
    "expected authentication request from server": "what answers there is not a PostgreSQL",
    "server does not support ssl": "the URL asks for TLS, and this PostgreSQL has none",
    "certificate verify failed": "nobody in sslrootcert has signed PostgreSQL's certificate",
    "does not match host name": "PostgreSQL's certificate is not for the URL's host",
    "root certificate file": "the file that the URL names as sslrootcert cannot be read",
    "unsupported startup parameter": "the pooler before PostgreSQL refuses a parameter of the URL",
    "no such database": _TO_MEND["3D000"],
    "unrecognized configuration parameter": _REFUSED,
    "invalid value for parameter": _REFUSED,
    "weak sslmode": _UNUSABLE,
    "invalid ssl protocol version range": _UNUSABLE,
    "could not match": _UNUSABLE,
    "could not parse network address": _UNUSABLE,
    "cannot be mixed with": _UNUSABLE,
    "definition of service": "the service that the URL names is defined nowhere",
    "invalid scram": _UNUSABLE,
}
# libpq's and psycopg's words for one parameter, whose value they repeat and we do not.
_VALUE = re.compile(
    r'invalid "?(\w+)"? value: |for connection option "(\w+)"|bad value for (\w+):', re.IGNORECASE
)
# Our own side's words: no server has spoken, so there is no code to be found out.
_NOBODY = (
    "connection refused", "connection reset", "server closed the connection", "failed to resolve",
    "connection timeout", "timeout expired", "is unreachable", "no route to host",
)  # fmt: skip
_FULL = ("too many clients", "connection slots", "too many connections", "no more connections")
_MISSING = {"role": _TO_MEND["28000"], "database": _TO_MEND["3D000"]}

_SHAPE = frozenset({"42P01", "42703", "42804", "3F000", "42P10", "42883"})
_LATER = {
    "25006": "PostgreSQL is read-only here",
    "55P03": "PostgreSQL kept a row locked for too long",
    "57014": "PostgreSQL did not answer in time",
    "40P01": "PostgreSQL found a deadlock and undid this",
    "53100": "PostgreSQL's disk is full",
    "53200": "PostgreSQL is out of memory",
    "53300": "PostgreSQL has no connection to spare",
}
_LATER_BY_CLASS = {
    "08": "the connection to PostgreSQL broke",
    "25": "PostgreSQL ended a transaction that had waited for too long",
    "40": "PostgreSQL undid this in favour of others",
    "53": "PostgreSQL lacks a resource",
    "57": "PostgreSQL is stopping, starting or has ended this connection",
    "58": "PostgreSQL cannot read or write its files",
}


def translate(error: psycopg.Error, *, at_start: bool, code: str | None = None) -> BackendError:
    """Say what an error means; `code` is what was found out about one while connecting."""
    if error.sqlstate is None and code == "42501":  # on the database, not on our tables
        code = "28000"
    code = error.sqlstate or code
    if code is None:
        return _connecting(str(error), at_start=at_start) or Unavailable(
            "PostgreSQL cannot be reached, or the connection to it broke"
        )
    if code in _TO_MEND:
        return to_mend(_TO_MEND[code], at_start=at_start)
    if error.sqlstate is None and code[:2] in ("22", "42"):  # before any statement of ours
        return to_mend(_REFUSED, at_start=at_start)
    if code in _SHAPE:
        return Rejected("the tables in this database are not as Incumbent made them")
    sentence = _LATER.get(code) or _LATER_BY_CLASS.get(code[:2])
    if sentence is not None:
        return Unavailable(sentence)
    if code[:2] in ("22", "23"):
        return Rejected(f"PostgreSQL cannot keep this (SQLSTATE {code})")
    return Unavailable(f"PostgreSQL answers with an error that is not known here (SQLSTATE {code})")


def knows(error: psycopg.Error) -> bool:
    """Whether an error says by itself what it means."""
    return error.sqlstate is not None or _connecting(str(error), at_start=True) is not None


def says_nobody(error: psycopg.Error) -> bool:
    """Whether it says that no server has spoken."""
    text = str(error).lower()
    return any(part in text for part in _NOBODY)


def to_mend(sentence: str, *, at_start: bool) -> BackendError:
    """What only an operator can mend: later it recovers without a restart."""
    return Rejected(sentence) if at_start else Unavailable(sentence)


def _connecting(text: str, *, at_start: bool) -> BackendError | None:
    told = text.lower()
    if match := _VALUE.search(text):
        name = next(filter(None, match.groups()))
        return to_mend(
            f"PostgreSQL's client does not take what the URL says for {name}", at_start=at_start
        )
    for part, sentence in _WHILE_CONNECTING.items():
        if part in told:
            return to_mend(sentence, at_start=at_start)
    if "does not exist" in told:
        for what, sentence in _MISSING.items():
            if f"{what} " in told:
                return to_mend(sentence, at_start=at_start)
    if "starting up" in told or "shutting down" in told or "not yet accepting" in told:
        return Unavailable(_LATER_BY_CLASS["57"])
    if any(part in told for part in _FULL):
        return Unavailable(_LATER["53300"])
    return None
