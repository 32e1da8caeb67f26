"""Law 5: after an acknowledged resign nothing succeeds under that token.

What was under way when the acknowledgement came may still succeed, or have done so before. An
outcome that is unknown is no success and no acknowledgement.
"""

from collections.abc import Iterator, Mapping

from tests.histories.events import Event, Granted, Returned, Stored, Trusted
from tests.histories.history import History
from tests.histories.operations import Operation
from tests.histories.story import Violation

Acks = Mapping[tuple[str, int], tuple[Operation, Returned]]  # by election and token, the first


def nothing_after_a_resign(history: History) -> Iterator[Violation]:
    """5: no later call, no answer to a later message and nothing in the store says otherwise."""
    acks = _acknowledged(history)
    if not acks:
        return
    yield from _later_calls(history, acks)
    yield from _later_answers(history, acks)
    yield from _in_the_store(history, acks)


def _acknowledged(history: History) -> Acks:
    acks: dict[tuple[str, int], tuple[Operation, Returned]] = {}
    for operation in history.operations:
        election, token, ack = operation.called.election, operation.token, operation.succeeded
        if operation.called.kind == "resign" and ack and election and token is not None:
            known = acks.get((election, token))
            if known is None or ack.at < known[1].at:
                acks[election, token] = operation, ack
    return acks


def _later_calls(history: History, acks: Acks) -> Iterator[Violation]:
    by_hand = _by_hand(history)
    for operation in history.operations:
        called, done = operation.called, operation.succeeded
        key = called.election or "", operation.token or 0
        if called.kind == "resign" and key in by_hand:
            continue  # once more, by the client that had not heard of it: it is over all the same
        found = acks.get(key)
        if done is not None and found is not None and called.at > found[1].at:
            says = f"{called.kind} succeeded under #{operation.token}, which was resigned"
            yield Violation(5, says, (found[0].called, found[1], called, done))


def _later_answers(history: History, acks: Acks) -> Iterator[Violation]:
    """Who resigned has stopped to believe; others may hear late of what was sent before.

    Where somebody else resigns by hand, through another gateway, the client's own gateway hears of
    it by the store's watch, and may say LEADING until then: law 2 asks how soon that is.
    """
    by_hand = _by_hand(history)
    for event in history.events:
        if not isinstance(event, Granted | Trusted) or (event.election, event.token) in by_hand:
            continue
        found = acks.get((event.election, event.token))
        if found is None:
            continue
        resign, ack = found
        sent = event.at if event.who == ack.who else event.sent
        if sent is not None and sent > ack.at:
            says = f"#{event.token} was {event.what} after it was resigned"
            yield Violation(5, says, (resign.called, ack, event))


def _in_the_store(history: History, acks: Acks) -> Iterator[Violation]:
    granted: dict[tuple[str, int], Stored] = {}
    ended: dict[tuple[str, int], float] = {}
    for event in history.of(Stored):
        key = event.election, event.token
        if event.change == "ended":
            ended[key] = event.at
            continue
        if event.change == "granted":
            granted[key] = event
        if key in acks and event.at > acks[key][1].at:
            says = f"the store has #{event.token} {event.change} after it was resigned"
            yield Violation(5, says, (*_both(acks[key]), event))
    for key, found in acks.items():
        if key in granted and ended.get(key, found[1].at + 1) > found[1].at:
            says = f"the resign of #{key[1]} was acknowledged, and the store still held it"
            evidence: tuple[Event, ...] = (granted[key], *_both(found))
            yield Violation(5, says, evidence)


def _by_hand(history: History) -> set[tuple[str, int]]:
    return {(b.election, b.token) for b in history.beliefs if b.fault is not None}


def _both(found: tuple[Operation, Returned]) -> tuple[Event, Event]:
    return found[0].called, found[1]
