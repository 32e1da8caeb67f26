"""Terms as keys of etcd: their names, what a key means, and the transactions on it. No I/O.

    incumbent/NAMESPACE/marker           which mechanism keeps this namespace, and its layout
    incumbent/NAMESPACE/term/ELECTION    a term: a record, attached to a lease of its session

No namespace has a slash in it, so none is the beginning of another. The token of a term is its
key's create_revision: a put keeps it, and etcd's revision never goes back. A session is a family
of leases, its name the first one's id in hex: a key that hangs on none of the family that its
record names was written by no gateway, and is no term.
"""

import secrets
from collections.abc import Iterable
from dataclasses import replace

from incumbent_backends import etcd_pb2 as pb
from incumbent_backends.api import Snapshot, Term
from incumbent_backends.term_record import read_record, write_record

MARKER = b'{"mechanism":"etcd-lease","layout":1}'
FAMILY = 64  # leases of one session: ids from a multiple of it on
VACANT = 0  # the version of every vacancy


class Space:
    """The keys of one namespace."""

    def __init__(self, namespace: str) -> None:
        self.marker = f"incumbent/{namespace}/marker".encode()
        self.terms = f"incumbent/{namespace}/term/".encode()
        self.end = self.terms[:-1] + b"0"  # what follows "/"

    def key(self, election: str) -> bytes:
        return self.terms + election.encode()

    def election(self, key: bytes) -> str:
        return key.removeprefix(self.terms).decode(errors="replace")

    def snapshot(self, kv: pb.KeyValue) -> Snapshot:
        """What a key says; one that is not there, or no term, is a vacancy."""
        election = self.election(kv.key)
        term = _term(election, kv)
        return Snapshot(election, VACANT if term is None else kv.mod_revision, term)


def new_family() -> int:
    """The first lease of a new session; positive, and far from those of others."""
    return (secrets.randbits(56) + 1) * FAMILY


def session_name(lease: int) -> str:
    """The name of the session that this is a lease of."""
    return f"{lease - lease % FAMILY:016x}"


def first_lease(session: str) -> int:
    """The first lease of a session of this name; 0 if none can have it."""
    try:
        return int(session, 16)
    except ValueError:
        return 0


def _term(election: str, kv: pb.KeyValue) -> Term | None:
    if not kv.create_revision or not kv.lease:
        return None
    try:
        term = read_record(election, kv.value)
    except ValueError:
        return None
    if term.session != session_name(kv.lease):
        return None
    return replace(term, token=kv.create_revision)


def is_vacant(key: bytes) -> pb.Compare:
    """That nothing is there."""
    return pb.Compare(key=key, target=pb.Compare.CREATE, create_revision=0)


def is_at(key: bytes, revision: int) -> pb.Compare:
    """That it is as it was read: last written at this revision."""
    return pb.Compare(key=key, target=pb.Compare.MOD, mod_revision=revision)


def hangs_on(key: bytes, token: int, session: str) -> list[pb.Compare]:
    """That this token lives there, on any lease of this session."""
    first = first_lease(session)
    lease = pb.Compare.LEASE
    return [
        pb.Compare(key=key, target=pb.Compare.CREATE, create_revision=token),
        pb.Compare(key=key, target=lease, lease=first - 1, result=pb.Compare.GREATER),
        pb.Compare(key=key, target=lease, lease=first + FAMILY, result=pb.Compare.LESS),
    ]


def put(key: bytes, term: Term, lease: int | None) -> pb.RequestOp:
    """Write a term's record; without a lease the key stays on the one that it hangs on."""
    record = write_record(replace(term, token=0))  # the token is the key's own
    if lease is None:
        request = pb.PutRequest(key=key, value=record, ignore_lease=True)
    else:
        request = pb.PutRequest(key=key, value=record, lease=lease)
    return pb.RequestOp(request_put=request)


def delete(key: bytes) -> pb.RequestOp:
    """Delete a key."""
    return pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=key))


def look(key: bytes) -> pb.RequestOp:
    """Read a key, as it is by this step of the transaction."""
    return pb.RequestOp(request_range=pb.RangeRequest(key=key))


def found(key: bytes, kvs: Iterable[pb.KeyValue]) -> pb.KeyValue:
    """The only key of an answer, or one that says that it is not there."""
    return next(iter(kvs), pb.KeyValue(key=key))
