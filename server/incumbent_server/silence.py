"""When to judge silence: only when it is due, and never before what piled up was read.

A timer that fires late proves that this process stood still (a stalled loop, SIGSTOP, a busy
machine). Heartbeats may then lie unread, so judgement waits for a quiet read round; as long as the
loop lags it waits on.
"""

import heapq
import math
from collections.abc import Iterator

PULSE = 0.05  # seconds between looks at the clock
HELD_UP = 0.05  # a look that comes so much too late proves a stall
READ_ROUND = 0.25  # quiet seconds in which what had piled up is read


class Silence:
    """What is to be judged when, by election; pure, instants come from the caller."""

    def __init__(self, now: float) -> None:
        self._planned = now  # when the next look was due
        self._not_before = -math.inf
        self._heap: list[tuple[float, str]] = []
        self._earliest: dict[str, float] = {}

    def expect(self, election: str, instant: float) -> None:
        """Ask for a judgement of `election` at `instant`, or earlier if that was asked."""
        if instant < self._earliest.get(election, math.inf):
            self._earliest[election] = instant
            heapq.heappush(self._heap, (instant, election))

    def due(self, now: float) -> Iterator[str]:
        """Look at the clock: yield the elections to judge now."""
        if now - self._planned > HELD_UP:
            self._not_before = now + READ_ROUND
        while now >= self._not_before and self._heap and self._heap[0][0] <= now:
            instant, election = heapq.heappop(self._heap)
            if self._earliest.get(election) == instant:
                del self._earliest[election]
                yield election

    def plan(self, now: float, *others: float) -> float:
        """Plan the next look: within a pulse, sooner if something or one of `others` is due."""
        silence = self._heap[0][0] if self._heap else math.inf
        looks = (max(silence, self._not_before), *others)
        self._planned = min([now + PULSE, *(look for look in looks if look > now)])
        return self._planned
