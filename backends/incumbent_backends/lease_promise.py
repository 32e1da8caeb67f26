"""What a session of lease rows has promised to the terms that moved onto it."""

from incumbent_backends.api import Clock


class Promise:
    """How long the session is kept: its own ttl, or for a while the longer one of a moved term."""

    def __init__(self, own_ms: int, clock: Clock) -> None:
        self.own_ms = own_ms
        self._clock = clock
        self._longer_ms = 0
        self._until = 0.0

    def lengthen(self, ttl_ms: int) -> None:
        """A term came from a session of this ttl: whoever trusts that session does so until then.

        Called when the move was written, thus later than any renewal of the session it came from.
        """
        if ttl_ms > self.own_ms:
            self._until = max(self._until, self._clock.now() + ttl_ms / 1000)
            self._longer_ms = max(self._longer_ms, ttl_ms)

    def at(self, began: float) -> int:
        """The ttl in ms to be written by a renewal whose call began then."""
        if began > self._until:
            self._longer_ms = 0
        return max(self.own_ms, self._longer_ms)
