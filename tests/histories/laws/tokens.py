"""Law 1: tokens of an election strictly increase in the order of grants and never repeat.

The order of grants is the store's. Its own account tells it. Clients tell it in part, as an answer
may arrive long after its term is over:

- a belief that is guarded and begins with trust left begins while its term lives, so every token
  that anybody knew by then is at most its own;
- any other grant came after its client entered, so it is above every token known at that time.
"""

from collections.abc import Iterator, Mapping

from tests.histories.beliefs import Belief
from tests.histories.events import (
    Called,
    Entered,
    Event,
    Granted,
    Observed,
    Returned,
    Stored,
    Trusted,
    Waiting,
)
from tests.histories.history import History
from tests.histories.story import Violation

Known = tuple[int, Event]  # a token, and who told it


def tokens_increase(history: History) -> Iterator[Violation]:
    """1: tokens strictly increase in the order of grants, and never repeat."""
    yield from _in_the_store(history)
    beliefs = {(each.who, each.election, each.token): each for each in history.beliefs}
    calls = {(each.called.who, each.called.op): each.called for each in history.operations}
    known: dict[str, Known] = {}  # the highest of each election
    entered: dict[tuple[str, str], Known | None] = {}  # what was known when a client entered
    granted: dict[tuple[str, int], Granted] = {}
    for event in history.events:
        if isinstance(event, Entered) and event.attempt == 1:
            entered[event.who, event.election] = known.get(event.election)
        elif isinstance(event, Granted):
            if (before := granted.setdefault((event.election, event.token), event)) is not event:
                yield Violation(1, f"#{event.token} was granted twice", (before, event))
            else:
                belief = beliefs[event.who, event.election, event.token]
                yield from _judge(event, belief, known.get(event.election), entered)
        election, token = _told(event, calls)
        if token is not None and token > known.get(election, (0, event))[0]:
            known[election] = token, event


def _in_the_store(history: History) -> Iterator[Violation]:
    highest: dict[str, Stored] = {}
    for event in history.of(Stored):
        if event.change == "granted":
            before = highest.get(event.election)
            if before is not None and event.token <= before.token:
                says = f"the store granted #{event.token} after #{before.token}"
                yield Violation(1, says, (before, event))
            else:
                highest[event.election] = event


def _judge(
    grant: Granted,
    belief: Belief,
    known: Known | None,
    entered: Mapping[tuple[str, str], Known | None],
) -> Iterator[Violation]:
    alive = belief.judged_until > grant.at and grant.until is not None and grant.until > grant.at
    if alive and known is not None and known[0] > grant.token:
        says = f"#{grant.token} was granted when #{known[0]} was known"
        yield Violation(1, says, (known[1], grant))
        return
    earlier = entered.get((grant.who, grant.election))
    if earlier is not None and earlier[0] >= grant.token:
        says = f"#{grant.token} was granted to one that entered when #{earlier[0]} was known"
        yield Violation(1, says, (earlier[1], grant))


def _told(event: Event, calls: Mapping[tuple[str, str], Called]) -> tuple[str, int | None]:
    """Tell which token the event proves to have been granted."""
    match event:
        case Granted() | Trusted() | Waiting() | Stored():
            return event.election, event.token
        case Observed(election=str(election)):
            return election, event.token
        case Returned(outcome="ok"):
            call = calls.get((event.who, event.op))
            return (call.election or "", event.token) if call else ("", None)
        case _:
            return "", None
