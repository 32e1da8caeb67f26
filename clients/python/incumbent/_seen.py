"""What an observer has been told already, and so what is news to it on another stream. Pure."""

from incumbent.values import Observation


class Seen:
    """The states told so far. Over all streams tokens never go back, and vacancies are told."""

    def __init__(self) -> None:
        self._highest: dict[str, int] = {}  # election → token
        self._led: dict[str, int] = {}  # election → token, as told last
        self._unconfirmed: set[str] | None = None  # led before, not yet mentioned by a new stream
        self._synced = False

    def begin(self) -> None:
        """Expect the whole state again, from another stream."""
        self._unconfirmed = set(self._led)

    def take(self, told: Observation) -> list[Observation]:
        """Tell what of a message is news."""
        if told.synced:
            return self._sync(told)
        if self._unconfirmed is not None:
            self._unconfirmed.discard(told.election)
        if told.leader is None:
            self._led.pop(told.election, None)
            return [told]
        return self._lead(told, told.leader.token)

    def _lead(self, told: Observation, token: int) -> list[Observation]:
        name = told.election
        if token < self._highest.get(name, 0):
            return []  # that gateway is behind
        before = self._led.get(name, token)
        self._led[name] = self._highest[name] = token
        return [told] if before == token else [Observation(name, None), told]

    def _sync(self, told: Observation) -> list[Observation]:
        gone, self._unconfirmed = sorted(self._unconfirmed or ()), None
        for name in gone:
            del self._led[name]
        first, self._synced = not self._synced, True
        return [Observation(name, None) for name in gone] + ([told] if first else [])
