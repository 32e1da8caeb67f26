"""Histories by hand: what clients tell, in few words, and which laws it breaks."""

from collections.abc import Iterable

from tests.histories.events import Called, Event, Granted, Returned, Wrote
from tests.histories.history import History
from tests.histories.verdict import Verdict, judge

X = "team/x"


def believes(who: str, token: int, begin: float, until: float) -> Granted:
    """Tell of a guarded belief; the message that was answered was sent 10 ms before."""
    return Granted(begin, who, X, token, until, guarded=True, sent=begin - 0.01)


def writes(at: float, by: str, token: int, *, taken: bool = True) -> Wrote:
    return Wrote(at, "register", "ledger", X, token, by, taken)


def resigns(who: str, token: int, at: float, acknowledged: float) -> tuple[Called, Returned]:
    op = f"resign {token}"
    return Called(at, who, op, "resign", X, token), Returned(acknowledged, who, op, "ok", token)


def verdict(*events: Event) -> Verdict:
    return judge(History(events))


def broken(events: Iterable[Event]) -> list[tuple[int, str]]:
    """Tell which laws do not hold, and what each violation says."""
    return [(each.law, each.says) for each in judge(History(events)).violations]
