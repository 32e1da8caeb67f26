"""What people see: what happens, then a table, then the verdict."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from demo.candidate import PACE
from demo.judgement import MARGIN, lateness
from demo.ledger import Write
from demo.outcome import Outcome, vacancy
from tests.histories.verdict import Verdict

PLAIN_WIDTH = 150  # columns where there is no terminal
COLUMNS = ("", "event", "leader", "token", "vacancy", "promised", "seen")
NOTE = (
    f"vacancy: the longest time around the event without a write; the pace is {PACE * 1000:g} ms\n"
    "promised: how long until a successor leads; none: nobody else is to lead"
)


class Unread(Exception):
    """Nobody reads any more what is told."""


class Report:
    """Writes to the standard output: in colours on a terminal, plain text elsewhere.

    Every method raises Unread where the other end of a pipe is closed.
    """

    def __init__(self) -> None:
        self._console = _Console(highlight=False)
        if not self._console.is_terminal:
            self._console = _Console(highlight=False, width=PLAIN_WIDTH)
        self._status = self._console.status("")
        self._late = 0  # events of the table that came late, and may

    @contextmanager
    def running(self) -> Iterator[None]:
        """Show what happens as long as the block lasts."""
        with self._status:
            yield

    def does(self, what: str) -> None:
        """Tell what happens now."""
        self._status.update(what)
        if not self._console.is_terminal:
            self._say(what)

    def tells(self, outcomes: Sequence[Outcome], writes: Sequence[Write], verdict: Verdict) -> None:
        """Tell what came about, and what the checker found."""
        taken = sum(write.taken for write in writes)
        self._late = sum(lateness(each, vacancy(each, writes)) > 0 for each in outcomes)
        table = _table(outcomes, writes, box.ROUNDED if self._console.is_terminal else None)
        self._console.print("", table, f"{NOTE}\n")
        self._say(f"ledger: {taken} writes taken, {len(writes) - taken} refused")
        self._say(f"history: {verdict}")
        for violation in verdict.violations:
            self._say(f"\n{violation}", "red")

    def keeps(self, folder: Path) -> None:
        """Tell where to look for what went wrong."""
        self._say(f"demo: the logs and the histories are kept in {folder}")

    def succeeded(self, seconds: float) -> None:
        """Tell that all is well, and what of it took some of the slack."""
        events = "1 event" if self._late == 1 else f"{self._late} events"
        slack = f", {events} with some of {MARGIN:g} s of slack for a busy machine"
        late = slack if self._late else ""
        self._say(f"demo: everything came out as promised{late}, in {seconds:.1f} s", "bold green")

    def failed(self, wrong: Iterable[str]) -> None:
        """Tell what is wrong."""
        for each in wrong:
            self._say(f"demo: failed: {each}", "bold red")

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(text, style=style, markup=False, soft_wrap=True)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Raise Unread, once nothing more can go into the pipe."""
        try:
            super().on_broken_pipe()
        except SystemExit:
            raise Unread from None


def _table(outcomes: Sequence[Outcome], writes: Sequence[Write], frame: box.Box | None) -> Table:
    table = Table(*COLUMNS, box=frame, header_style="bold")
    for column in ("vacancy", "promised"):
        table.columns[COLUMNS.index(column)].justify = "right"
    for number, outcome in enumerate(outcomes, 1):
        table.add_row(str(number), *_row(outcome, vacancy(outcome, writes)))
    return table


def _row(outcome: Outcome, seconds: float) -> tuple[str, ...]:
    before, after, within = outcome.before, outcome.after, outcome.within
    late = lateness(outcome, seconds)
    too_late = seconds > (within or 0.0) + MARGIN
    seen = [outcome.seen] if outcome.seen else []
    if late:
        seen.append(f"{_ms(late)} late, {'too much' if too_late else 'within the slack'}")
    return (
        outcome.title,
        f"{before.candidate} → {after.candidate}",
        f"{before.token} → {after.token}",
        f"[red]{_ms(seconds)}[/]" if too_late else _ms(seconds),
        "none" if within is None else f"≤ {_ms(within)}",
        "; ".join(seen),
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"
