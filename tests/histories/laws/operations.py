"""Law 6: an operation whose outcome is unknown stays open until the end of the history.

The other laws keep to it: they take an open operation for no success, no failure and no
acknowledgement. This one sees to it that no recorder closes an operation that it has given up, or
answers one that nobody called.
"""

from collections.abc import Iterator

from tests.histories.events import Called, Returned
from tests.histories.history import History
from tests.histories.story import Violation


def unknown_stays_open(history: History) -> Iterator[Violation]:
    """6: one call, one outcome after it; one that is unknown is never followed by another."""
    called: dict[tuple[str, str], Called] = {}
    returned: dict[tuple[str, str], Returned] = {}
    for event in history.events:
        if isinstance(event, Called):
            call = called.setdefault((event.who, event.op), event)
            if call is not event:
                yield Violation(6, f"{event.op} was called twice", (call, event))
        elif isinstance(event, Returned):
            known = called.get((event.who, event.op))
            if known is None:
                yield Violation(6, f"{event.op} returned, and was never called", (event,))
                continue
            answer = returned.setdefault((event.who, event.op), event)
            if answer is not event:
                says = f"{event.op} was {answer.outcome}, and then {event.outcome}"
                yield Violation(6, says, (known, answer, event))
