"""The interleavings that reviewers of the design found, each directed step by step.

Their numbers are those of the list "Interleavings found in review"; four more have none.
Besides what each asserts, the laws are held against what it recorded.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from incumbent_server.candidacy import State
from incumbent_server.reasons import Reason
from tests.histories.events import Fault, Granted
from tests.simulation.stage import ELECTION, Stage
from tests.simulation.store import Weather

Scenario = Callable[[Stage], Awaitable[None]]


async def older_session(stage: Stage) -> None:
    """1: a resume onto a session renewed longer ago than the old one."""
    first = stage.puppet("p")
    first.enter(ttl=8)
    await stage.until(lambda: first.state is State.LEADING)
    stage.weather(1, "renew", before=1.0)
    await asyncio.sleep(1.2)
    first.beat(1)
    await stage.until(lambda: first.views[-1].sequence == 1)
    promise = stage.loop.time() + (first.views[-1].trust or 0)
    second = stage.puppet("p", 1)
    second.enter(attempt=2, resume=first.token)
    await stage.until(lambda: second.state in (State.LEADING, State.JEOPARDY))
    stage.gateway(0).kill()
    await stage.until(lambda: stage.holder() is None)
    assert stage.loop.time() > promise, "the move shortened the term"
    stage.gateway(0).start()
    stage.weather(1, "renew")


async def shared_session(stage: Stage) -> None:
    """2: a fresh acquire on a shared session promises no more than is left of it."""
    stage.weather(0, "renew", before=1.0)
    await asyncio.sleep(0.4)
    puppet = stage.puppet("p")
    puppet.enter(ttl=8)
    await stage.until(lambda: puppet.state is State.LEADING)
    assert puppet.views[-1].trust is not None
    assert puppet.views[-1].trust < 3 - 0.4
    stage.weather(0, "renew")
    puppet.resign()


async def stale_bid(stage: Stage) -> None:
    """3: a stale gateway's bid for a client that moved away does not steal its term."""
    leader, here, there = stage.puppet("x", 1), stage.puppet("p", 0), stage.puppet("p", 1)
    leader.enter()
    await stage.until(lambda: leader.state is State.LEADING)
    here.enter(attempt=1)
    there.enter(attempt=2)
    await stage.until(lambda: (here.state, there.state) == (State.WAITING, State.WAITING))
    stage.slow(0, "acquire", 0.3)
    leader.resign()
    await stage.until(lambda: there.state is State.LEADING)
    await asyncio.sleep(0.6)
    assert here.reason is Reason.SUPERSEDED
    assert stage.token() == there.token
    there.beat(1)
    await stage.until(lambda: there.views[-1].sequence == 1)
    assert there.state is State.LEADING
    there.resign()


async def stalled_release(stage: Stage) -> None:
    """4: a stalled release does not end the term where it went, nor is it had here again."""
    first = stage.puppet("p")
    first.enter(ttl=1)
    await stage.until(lambda: first.state is State.LEADING)
    token = first.token
    stage.weather(0, "watch", silent=True)
    await asyncio.sleep(0.8)
    second = stage.puppet("p", 1)
    second.enter(attempt=2, resume=token, ttl=8)
    await stage.until(lambda: second.state is State.LEADING)
    stage.slow(0, "release", 0.4)
    await stage.until(lambda: first.over is not None)  # silent here, and the release is on its way
    third = stage.puppet("p", 0)
    third.enter(attempt=3, resume=token, ttl=8)
    await asyncio.sleep(1)
    assert third.reason in (Reason.EXPIRED, Reason.HELD_BY_OTHER_GATEWAY)
    assert stage.token() == token
    second.resign()


async def late_leading(stage: Stage) -> None:
    """5: a LEADING that is read 30 s late is believed by nobody."""
    leader = stage.puppet("x", 0)
    leader.enter(ttl=60)
    await stage.until(lambda: leader.state is State.LEADING)
    waiting = stage.candidate("c")
    await asyncio.sleep(0.2)
    stage.process["c"].freeze()
    leader.resign()
    await stage.until(lambda: stage.holder() == "c")
    await asyncio.sleep(30)
    stage.process["c"].thaw()
    await stage.until(lambda: waiting.state.over)
    assert not [event for event in stage.history.events if isinstance(event, Granted)]


async def resign_elsewhere(stage: Stage) -> None:
    """6: a resign at gateway B of who leads through A."""
    candidate = stage.candidate("c")
    await stage.until(lambda: candidate.state.trusting)
    token = stage.token()
    assert token is not None
    stage.history.record(
        Fault, "operator", "resigns it", exempts={ELECTION: [token]}, told_within=1
    )
    operator = stage.puppet("c", 1)
    operator.resign_unary()
    await stage.until(lambda: operator.over is not None)
    assert operator.reason is None
    assert stage.token() is None
    await stage.until(lambda: candidate.state.over, within=1)


async def shorter_ttl(stage: Stage) -> None:
    """7: an `enter` with a shorter ttl, its answers lost, on clocks as far apart as they may be."""
    candidate = stage.candidate("c", ttl=2.0, shorter=True, greedy=True)
    await stage.until(lambda: candidate.state.trusting)
    for gateway in ("g0", "g1"):
        stage.cut(gateway, "c", 8)
    candidate.process.call(candidate.move)
    await stage.until(lambda: candidate.state.over)


async def drained(stage: Stage) -> None:
    """8: a drain frees nothing that its client still trusts; it goes on elsewhere."""
    candidate = stage.candidate("c")
    await stage.until(lambda: candidate.state.trusting)
    token = stage.token()
    stage.cut("g0", "c", 1)  # so the client is not told
    stage.gateway(0).stop(5)
    await stage.until(lambda: candidate.state.gateway == 1 and candidate.state.answered)
    assert candidate.state.trusting
    assert stage.token() == token
    candidate.hurry()
    await stage.until(lambda: not stage.gateway(0).up)
    stage.gateway(0).start()


async def left_meanwhile(stage: Stage) -> None:
    """9: an acquire that lands after its candidate left leaves no ghost."""
    stage.slow(0, "acquire", 0.3)
    puppet = stage.puppet("p")
    puppet.enter()
    await asyncio.sleep(0.05)
    puppet.resign()
    await stage.until(lambda: stage.holder() == "p")
    await stage.until(lambda: puppet.over is not None)
    assert puppet.reason is None
    assert stage.holder() is None


async def stalled_gateway(stage: Stage) -> None:
    """10: a gateway that stood still for twice a client's ttl reads before it judges silence."""
    puppet = stage.puppet("p")
    puppet.enter(ttl=1)
    await stage.until(lambda: puppet.state is State.LEADING)
    token = puppet.token
    stage.gateway(0).process.freeze()
    for number in range(1, 8):
        await asyncio.sleep(0.3)
        puppet.beat(number)
    stage.gateway(0).process.thaw()
    await stage.until(lambda: puppet.views[-1].sequence == 7)
    assert puppet.over is None
    assert (stage.token(), puppet.state) == (token, State.LEADING)
    puppet.resign()


async def silent_gateway(stage: Stage) -> None:
    """A gateway that stands still is left while trust runs, and the term is kept."""
    candidate = stage.candidate("c")
    await stage.until(lambda: candidate.state.trusting)
    token = stage.token()
    stage.gateway(0).process.freeze()
    await stage.until(lambda: candidate.state.gateway == 1 and candidate.state.answered, within=2)
    assert candidate.state.trusting
    assert stage.token() == token
    stage.gateway(0).process.thaw()
    candidate.hurry()


async def hasty_move(stage: Stage) -> None:
    """A move whose answer the store loses is not undone, though its client will not wait."""
    candidate = stage.candidate("c", ttl=8, no_wait=True)
    await stage.until(lambda: candidate.state.trusting)
    token = stage.token()
    stage.weather(1, "acquire", mute=True)
    for path in (("g0", "c"), ("g1", "c"), ("c", "g0")):
        stage.cut(*path, 3)
    candidate.process.call(candidate.move)
    await asyncio.sleep(1)
    stage.weather(1, "acquire")
    await asyncio.sleep(1.5)
    assert stage.token() == token
    assert candidate.state.trusting
    candidate.hurry()


async def between_two_looks(stage: Stage) -> None:
    """A term that is won, and deleted by hand before the watch has told of it, is read in time."""
    stage.weather(0, "watch", silent=True)
    leader = stage.puppet("p")
    leader.enter(ttl=8)
    await stage.until(lambda: leader.state is State.LEADING)
    exempts = {ELECTION: [leader.token]}
    stage.place.history.record(Fault, "scenario", "records deleted", "", exempts, 1.0)
    stage.place.store.truth.delete(ELECTION)
    await stage.until(lambda: leader.over is not None, within=1.0)
    assert leader.reason is Reason.BACKEND_LOST


async def dead_session(stage: Stage) -> None:
    """A term that is kept for its client's sake keeps nobody waiting when its session has died."""
    leader, again = stage.puppet("p"), stage.puppet("p")
    leader.enter(ttl=8)
    await stage.until(lambda: leader.state is State.LEADING)
    stage.place.store.weather["g0"] = Weather(verbs=("acquire", "renew"), before=1.0)
    again.enter(attempt=2, resume=leader.token, ttl=8)  # it may have led elsewhere until now
    await stage.until(lambda: again.over is not None and stage.holder() is None)
    stage.weather(0, "renew")
    await asyncio.sleep(0.5)
    successor = stage.puppet("q")
    successor.enter(ttl=8)
    await stage.until(lambda: successor.state is State.LEADING, within=1)
    successor.resign()


SCENARIOS: dict[str, tuple[Scenario, Callable[[], Stage]]] = {
    "older session": (older_session, partial(Stage, 3, backend_ttl=3)),
    "shared session": (shared_session, partial(Stage, backend_ttl=3)),
    "stale bid": (stale_bid, Stage),
    "stalled release": (stalled_release, partial(Stage, backend_ttl=5)),
    "late leading": (late_leading, partial(Stage, backend_ttl=5)),
    "resign elsewhere": (resign_elsewhere, Stage),
    "shorter ttl": (shorter_ttl, partial(Stage, drift=0.01)),
    "drained": (drained, Stage),
    "left meanwhile": (left_meanwhile, Stage),
    "hasty move": (hasty_move, partial(Stage, backend_ttl=5)),
    "between two looks": (between_two_looks, partial(Stage, backend_ttl=15)),
    "dead session": (dead_session, Stage),
    "silent gateway": (silent_gateway, partial(Stage, backend_ttl=5)),
    "stalled gateway": (stalled_gateway, partial(Stage, 1, backend_ttl=5)),
}


def play(name: str) -> str:
    """Play one; tell what it broke, "" if nothing."""
    scenario, stage = SCENARIOS[name]
    try:
        violations = stage().play(scenario).violations
    except AssertionError as error:
        return f"{scenario.__doc__} {error}"
    return f"law {violations[0].law}: {violations[0].says}" if violations else ""
