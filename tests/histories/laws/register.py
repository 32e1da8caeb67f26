"""Law 3: a fenced register never takes a write of an ended term after one of a newer term."""

from collections.abc import Iterator

from tests.histories.events import Wrote
from tests.histories.history import History
from tests.histories.story import Violation


def nothing_stale_is_taken(history: History) -> Iterator[Violation]:
    """3: no token below the highest taken is taken; one token has one writer."""
    highest: dict[tuple[str, str], Wrote] = {}
    writers: dict[tuple[str, int], Wrote] = {}
    for write in history.of(Wrote):
        first = writers.setdefault((write.election, write.token), write)
        if first.by != write.by:
            says = f"{first.by} and {write.by} both write under #{write.token}"
            yield Violation(3, says, (first, write))
        if not write.taken:
            continue
        newest = highest.setdefault((write.register, write.election), write)
        if write.token < newest.token:
            says = f"{write.register} took #{write.token} after #{newest.token}"
            yield Violation(3, says, (newest, write))
        else:
            highest[write.register, write.election] = write
