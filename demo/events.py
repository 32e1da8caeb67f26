"""What is done to a leader, in the order of `events`, and what is promised each time.

Each function does one thing, to who leads or to the gateway, and waits until it has come out. It
returns what was to be seen, in few words.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM

from demo.processes import Failed, Line, Process
from demo.stage import LONG_TTL, SHORT_TTL, Stage
from demo.stores import Store
from incumbent import OnDisconnect
from tests.histories.recorder import now


@dataclass(frozen=True, slots=True)
class Event:
    """One of the things that happen to leaders, here to one of the kind `to`."""

    title: str
    to: OnDisconnect
    do: Callable[[Stage], str]
    within: float | None  # seconds in which there is a successor; None: the leader keeps its term


def kill(stage: Stage) -> str:
    """Kill who leads, as hard as can be."""
    stage.fault("kill", stage.lead, SIGKILL)
    stage.succeeded()
    return ""


def freeze(stage: Stage) -> str:
    """Stop who leads between its check and its write, until a successor has written."""
    lead, token = stage.lead, stage.leader.token
    lead.order("hold")
    stage.until(f"{lead.name} to have checked", lambda: lead.last(tells="checked"))
    stage.fault("stop", lead, SIGSTOP)
    stage.succeeded()
    since, trusted = len(lead.lines), lead.last(tells="trusts")
    if trusted is None or now() < trusted["until"]:
        raise Failed(f"{lead.name} had trust left when its successor wrote")
    lead.order("go")
    stage.fault("continue", lead, SIGCONT)
    late, then = stage.until(f"the late write of {lead.name}", lambda: _two(lead, since))
    if late != {"tells": "wrote", "token": token, "taken": False}:
        raise Failed(f"the late write of {lead.name} was not refused: it told {late}")
    if then["tells"] != "lost":
        raise Failed(f"{lead.name} was not told at once that it leads no more: it told {then}")
    return "late write refused, held is false"


def _two(process: Process, since: int) -> Sequence[Line] | None:
    """Give the first two lines since then, once they are there."""
    lines = process.lines[since : since + 2]
    return lines if len(lines) == 2 else None


def resign(stage: Stage) -> str:
    """Have who leads leave its term."""
    lead = stage.lead
    lead.order("resign")
    stage.succeeded()
    stage.until(f"{lead.name} to have resigned", lambda: lead.last(tells="resigned"))
    return ""


def restart(stage: Stage) -> str:
    """Kill the gateway right after a heartbeat, and start it again while trust runs."""
    since = len(stage.lead.lines)
    stage.until("the next heartbeat's answer", lambda: stage.lead.last(since, tells="trusts"))
    stage.fault("kill", stage.gateways[-1], SIGKILL)
    return _goes_on(stage, stage.gateway("gateway-1-again", port=0))


def drain(stage: Stage) -> str:
    """Start a second gateway, and end the first one in good order."""
    first, second = stage.gateways[-1], stage.gateway("gateway-2", port=1)
    stage.fault("drain", first, SIGTERM)
    seen = _goes_on(stage, second)
    stage.ended(first)
    return seen


def _goes_on(stage: Stage, gateway: Process) -> str:
    """Wait until somebody leads through this gateway: the same as before, where terms move."""
    if stage.store.keeps:
        stage.kept(gateway)
        return "leader and token are kept"
    stage.succeeded()
    return "a new term, as this store keeps none without its gateway"


KEEP, RELEASE = OnDisconnect.KEEP, OnDisconnect.RELEASE


def events(store: Store) -> Sequence[Event]:
    """List what is done on this store, in order: to its gateways only where several share it."""
    to_leaders = (
        Event("kill -9 the leader (KEEP)", KEEP, kill, within=SHORT_TTL + 0.25),
        Event("kill -9 the leader (RELEASE)", RELEASE, kill, within=0.3),
        Event("SIGSTOP between check and write", KEEP, freeze, within=SHORT_TTL + 0.25),
        Event("the leader resigns", KEEP, resign, within=0.3),
    )
    within = None if store.keeps else LONG_TTL + 0.25
    to_gateways = (
        Event("kill -9 and restart the gateway", KEEP, restart, within),
        Event("drain to a second gateway", KEEP, drain, within),
    )
    return to_leaders + (to_gateways if store.shared else ())
