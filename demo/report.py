"""What people see: what happens, then a table, then the verdict."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from demo.candidate import PACE
from demo.judgement import MARGIN
from demo.ledger import Write
from demo.outcome import Outcome, vacancy
from tests.histories.verdict import Verdict

PLAIN_WIDTH = 150  # columns where there is no terminal
COLUMNS = ("", "event", "leader", "token", "vacancy", "promised", "seen")
NOTE = f"vacancy: the longest time around the event without a write; the pace is {PACE * 1000:g} ms"


class Report:
    """Writes to the standard output: in colours on a terminal, plain text elsewhere."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console = Console(highlight=False, width=PLAIN_WIDTH)
        self._status = self._console.status("")

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
        """Tell that all is well."""
        self._say(f"demo: everything came out as promised, in {seconds:.1f} s", "bold green")

    def failed(self, wrong: Iterable[str]) -> None:
        """Tell what is wrong."""
        for each in wrong:
            self._say(f"demo: failed: {each}", "bold red")

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(text, style=style, markup=False, soft_wrap=True)


def _table(outcomes: Sequence[Outcome], writes: Sequence[Write], frame: box.Box | None) -> Table:
    table = Table(*COLUMNS, box=frame, header_style="bold")
    for column in ("vacancy", "promised"):
        table.columns[COLUMNS.index(column)].justify = "right"
    for number, outcome in enumerate(outcomes, 1):
        table.add_row(str(number), *_row(outcome, vacancy(outcome, writes)))
    return table


def _row(outcome: Outcome, seconds: float) -> tuple[str, ...]:
    before, after, within = outcome.before, outcome.after, outcome.within
    late = seconds > (within or 0.0) + MARGIN
    return (
        outcome.title,
        f"{before.candidate} → {after.candidate}",
        f"{before.token} → {after.token}",
        f"[red]{_ms(seconds)}[/]" if late else _ms(seconds),
        "none" if within is None else f"≤ {_ms(within)}",
        outcome.seen,
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"
