"""The keys of advisory locks: PostgreSQL knows a lock by 64 bits, not by a name."""

import secrets
from hashlib import blake2b
from typing import NamedTuple


def election_key(namespace: str, election: str) -> int:
    """Hash an election to the key of its lock, a signed 64-bit integer.

    Neither name holds a NUL, so no two pairs are one text. Two may still have one key: who takes
    the lock compares the names.
    """
    text = f"{namespace}\0{election}".encode()
    digest = blake2b(text, digest_size=8, person=b"incumbent-lock").digest()
    return int.from_bytes(digest, "big", signed=True)


class SessionName(NamedTuple):
    """64 random bits: the name of a session, and the lock of two integers by which it lives."""

    high: int
    low: int

    @classmethod
    def draw(cls) -> "SessionName":
        return cls(*(secrets.randbelow(2**32) - 2**31 for _ in range(2)))

    def __str__(self) -> str:
        return "".join(f"{number & 0xFFFFFFFF:08x}" for number in self)
