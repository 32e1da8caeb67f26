"""What `--output table` shows to people. Whatever others chose is shown as plain text.

rich is imported when it is needed: it takes a while, and programs ask for JSON.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from incumbent import Backend, Election, Leader, Observation, Verification
from incumbent._cli.shapes import value_text

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text


def printable(text: str) -> str:
    """Escape what would not be seen, or would move a terminal's cursor."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


def value_shown(value: bytes) -> str:
    """Show a value as text, or in hexadecimal where it is none."""
    text = value_text(value)
    return "0x" + value.hex() if text is None else printable(text)


def _when(time: datetime) -> str:
    return time.astimezone().isoformat(sep=" ", timespec="seconds")


def _pairs(pairs: Mapping[str, str]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    for name, text in pairs.items():
        grid.add_row(Text(name, style="bold"), Text(text))
    return grid


def _term(term: Leader) -> dict[str, str]:
    return {
        "token": str(term.token),
        "candidate": printable(term.candidate),
        "value": value_shown(term.value),
        "since": _when(term.begin_time),
    }


def leader(election: str, term: Leader | None) -> "Table":
    """Show who leads."""
    return _pairs({"election": election, **({"leader": "vacant"} if term is None else _term(term))})


def verification(election: str, token: int, told: Verification) -> "Table":
    """Show whether a token is current, and who leads by which."""
    answer = "current" if told.current else "not current"
    leader = "vacant" if told.leader is None else led_by(told.leader)
    return _pairs({"election": election, "token": f"{token}: {answer}", "leader": leader})


def resigned(election: str, ended: Leader | None) -> "Table":
    """Show what a resign ended."""
    what = "a waiting candidate withdrew" if ended is None else f"ended: {led_by(ended)}"
    return _pairs({"election": election, "resign": what})


def elections(listed: Iterable[Election]) -> "Table":
    """Show the list of elections."""
    from rich.table import Table
    from rich.text import Text

    table = Table("election", "token", "candidate", "value", "since", "waiting", box=None)
    for each in listed:
        term = ["", "vacant", "", ""] if each.leader is None else _term(each.leader).values()
        table.add_row(*(Text(text) for text in (each.election, *term, str(each.waiting))))
    return table


def backend(store: Backend) -> "Table":
    """Show the store and its promises."""

    def lasting(duration: timedelta) -> str:
        return f"{duration.total_seconds():g} s"

    def yes(promised: bool) -> str:
        return "yes" if promised else "no"

    return _pairs(
        {
            "kind": printable(store.kind),
            "expiry": str(store.expiry),
            "backend ttl": lasting(store.backend_ttl),
            "allowed": f"{lasting(store.min_backend_ttl)} to {lasting(store.max_backend_ttl)}",
            "failover, client crash": lasting(store.failover_client_crash),
            "failover, gateway crash": lasting(store.failover_gateway_crash),
            "survives a gateway": yes(store.survives_gateway),
            "survives a restart": yes(store.survives_restart),
            **{f"note {n}": printable(note) for n, note in enumerate(store.notes, 1)},
        }
    )


def observation(told: Observation) -> "Text":
    """Show one news of an observer."""
    if told.synced:
        return line("that was the present state; changes follow", style="dim")
    leader = "vacant" if told.leader is None else led_by(told.leader)
    return line(f"{told.election}: {leader}")


def line(text: str, style: str = "") -> "Text":
    """Show a sentence with the time of day."""
    from rich.text import Text

    return Text.assemble((f"{datetime.now().astimezone():%H:%M:%S}  ", "dim"), (text, style))


def led_by(leader: Leader) -> str:
    """Say who leads."""
    value = f", value {value_shown(leader.value)}" if leader.value else ""
    return f"{printable(leader.candidate)} leads, token {leader.token}{value}"
