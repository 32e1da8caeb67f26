"""Law 4: on an Observe stream tokens never go back, vacancy is told, the last word is the truth.

A reader that connects anew under the same name is the same stream: its tokens go on, but it was not
told what happened in between.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.histories.events import Closed, Event, Fault, Final, Observed, Observing
from tests.histories.history import History
from tests.histories.story import Violation


def observers_are_told(history: History) -> Iterator[Violation]:
    """4: tokens never go back, vacancy is told, the last message is the final state."""
    streams: dict[tuple[str, str], _Stream] = {}
    for event in history.events:
        if isinstance(event, Observing | Observed | Closed):
            yield from streams.setdefault((event.who, event.stream), _Stream()).take(event)
        elif isinstance(event, Fault):
            for (who, _), stream in streams.items():
                if who == event.whom:
                    stream.suffer(event.kind)
    for final in history.of(Final):
        for (who, name), stream in streams.items():
            yield from stream.end(f"{who}'s stream {name}", final)


@dataclass(slots=True)
class _Stream:
    """What one stream told so far."""

    opened: Observing | None = None  # the last time
    told: dict[str, Observed] = field(default_factory=dict)  # the latest, since then
    highest: dict[str, Observed] = field(default_factory=dict)  # the highest tokens ever told
    closed: bool = False
    stopped: bool = False

    def take(self, event: Observing | Observed | Closed) -> Iterator[Violation]:
        match event:
            case Observing():
                self.opened, self.told, self.closed = event, {}, False
            case Closed():
                self.closed = True
            case Observed(election=None):
                yield from self._synced(event)
            case Observed(election=str(election)):
                yield from self._follows(election, event)
                self.told[election] = event

    def suffer(self, fault: str) -> None:
        self.closed |= fault == "kill"
        self.stopped = fault == "stop" or (self.stopped and fault != "continue")

    def end(self, name: str, final: Final) -> Iterator[Violation]:
        """Judge the last message about an election, if the stream could tell it."""
        if self.closed or self.stopped or not self._tells_of(final.election):
            return
        last = self.told.get(final.election)
        token = last.token if last is not None else None
        if token != final.token:
            says = f"{name} ends with {_state(token)}, {final.election} with {_state(final.token)}"
            lines: tuple[Event | None, ...] = (self.opened, last, final)
            yield Violation(4, says, tuple(line for line in lines if line is not None))

    def _tells_of(self, election: str) -> bool:
        if self.opened is None:
            return election in self.told
        if self.opened.election is not None:
            return self.opened.election == election
        return election.startswith(self.opened.prefix or "")

    def _older(self, message: Observed) -> bool:
        """Tell whether an earlier connection told it."""
        return self.opened is not None and message.at < self.opened.at

    def _synced(self, message: Observed) -> Iterator[Violation]:
        opened = self.opened
        if opened is not None and opened.election is not None and not self.told:
            says = f"an observer of {opened.election} was not told its state before `synced`"
            yield Violation(4, says, (opened, message))

    def _follows(self, election: str, message: Observed) -> Iterator[Violation]:
        """Judge a led state by what was told before."""
        token, before = message.token, self.told.get(election)
        if token is None:
            return
        highest = self.highest.setdefault(election, message)
        known = highest.token or 0
        if token < known:
            yield Violation(4, f"an observer was told #{token} after #{known}", (highest, message))
            return
        self.highest[election] = message
        if before is None or before.token == token:
            return
        if before.token is not None:
            says = f"an observer was told #{token} after #{before.token}, and no vacancy between"
            yield Violation(4, says, (before, message))
        elif token == known and highest is not message and not self._older(highest):
            says = f"an observer was told #{token}, a vacancy, and #{token} again"
            yield Violation(4, says, (highest, before, message))


def _state(token: int | None) -> str:
    return "a vacancy" if token is None else f"#{token}"
