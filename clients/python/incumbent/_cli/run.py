"""The sub-command `run`, which runs a program only while it leads.

    waiting ──► leading: COMMAND runs ──► COMMAND ended, all of it ──► resigned
       ▲                    │ trust runs low, or is lost
       └── --restart ◄──────┴──► all of it killed before trust ends

The work is shared out. The SDK leads. guard/ is COMMAND's parent and ends it in time; warden.py
starts the guard and stands in for it; supervise.py tells it of trust, which watch.py knows.
"""

import asyncio
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import click

from incumbent import AsyncTerm, HeldByAnother, LeadershipLost
from incumbent._cli.durations import Duration
from incumbent._cli.exits import Exit
from incumbent._cli.guard.plan import Cause
from incumbent._cli.guard.wire import Ended
from incumbent._cli.help import epilog
from incumbent._cli.leading import Candidacy, leading_options
from incumbent._cli.options import Setup, Subcommand
from incumbent._cli.program import check_program
from incumbent._cli.say import say
from incumbent._cli.signals import Signals, obeying_signals
from incumbent._cli.supervise import supervise
from incumbent._cli.warden import Warden
from incumbent._cli.watch import Watch

WAITS: Final = 1.0  # seconds after which people are told that it waits


@click.command(
    cls=Subcommand,
    answers=False,
    context_settings={"allow_interspersed_args": False},
    epilog=epilog(
        [
            "incumbent run --election team-a/scheduler -- ./scheduler --verbose",
            "incumbent run --election nightly --no-wait --conflict-exit-code 0 -- ./backup",
            "incumbent run --election demo --restart -- sh -c 'echo $INCUMBENT_TOKEN; cat'",
        ],
        {
            Exit.NO: "--no-wait, and another leads or waits; see --conflict-exit-code",
            Exit.LOST: "leadership was lost, and COMMAND was ended",
            Exit.NOT_EXECUTABLE: "COMMAND is not executable",
            Exit.NOT_FOUND: "COMMAND is not found",
        },
        ("other", "COMMAND's own; 128+N where signal N ended it"),
    ),
)
@click.option("--election", required=True, metavar="NAME", help="What to lead.")
@leading_options
@click.option(
    "--grace",
    type=Duration(),
    default="10s",
    show_default=True,
    metavar="DURATION",
    help="The most time between TERM and KILL.",
)
@click.option(
    "--once/--restart",
    default=True,
    help="After a loss: exit with 75 (the default), or campaign and run COMMAND again.",
)
@click.option(
    "--conflict-exit-code",
    type=click.IntRange(0, 255),
    default=int(Exit.NO),
    show_default=True,
    metavar="CODE",
    help="For --no-wait, when another leads or waits; 0 is silent.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def run(
    setup: Setup,
    /,
    command: Sequence[str],
    grace: float,
    once: bool,
    conflict_exit_code: int,
    **how: Any,
) -> int:
    """Run COMMAND only while this process leads the election NAME.

    COMMAND gets a process group of its own, our input and outputs, and INCUMBENT_TOKEN,
    INCUMBENT_ELECTION, INCUMBENT_CANDIDATE and INCUMBENT_GATEWAY in its environment. It and all
    that it starts are dead before trust in the leadership runs out, also when `run` is killed or
    frozen. It must stay in the foreground, and remain our own user's.
    """
    if sys.platform != "linux":
        raise click.UsageError("run needs Linux: what it promises rests on that kernel")
    check_program(command)
    errand = Errand(setup, Candidacy(**how), tuple(command), grace)
    try:
        return obeying_signals(lambda signals: errand.done(signals, restart=not once))
    except HeldByAnother as error:
        if conflict_exit_code != Exit.OK:
            say(str(error))
        return conflict_exit_code


@dataclass(frozen=True, slots=True)
class Errand:
    """What to run, and what to lead meanwhile."""

    setup: Setup
    candidacy: Candidacy
    command: Sequence[str]
    grace: float

    async def done(self, signals: Signals, *, restart: bool) -> int:
        """Lead and run COMMAND until it ends by itself, or leadership is lost; the exit code."""
        while True:
            signals.end_us()
            ended, reason = await self._one_term(signals)
            if ended.cause is Cause.UNGUARDED:
                say("the guard of COMMAND was killed, and COMMAND with it")
            if ended.cause is not Cause.TRUST:
                return ended.code
            say(f"leadership of {self.candidacy.election} is lost ({reason}): COMMAND was ended")
            if signals.number is not None or not restart:
                return Exit.LOST

    async def _one_term(self, signals: Signals) -> tuple[Ended, str]:
        """Campaign, and run COMMAND once; how it ended, and why leadership was lost if it was."""
        ended, reason = Ended(Exit.LOST, Cause.TRUST), "TRUST_RAN_LOW"
        watch = Watch()
        with Warden(self.command, self.grace) as warden, self._saying_that_it_waits() as waits:
            try:
                async with (
                    self.setup.async_client() as client,
                    self.candidacy.campaign(client, watch.told) as term,
                ):
                    waits.cancel()
                    await watch.enough(self.candidacy.ttl)
                    signals.go_to(warden.end)
                    ended = await _whole(supervise(watch, warden, self._variables(term)))
            except LeadershipLost as error:
                reason = error.reason
        return ended, reason

    @contextmanager
    def _saying_that_it_waits(self) -> Iterator[asyncio.TimerHandle]:
        """Tell people, after a second, until it is cancelled. Programs read nothing of it."""
        sentence = f"waiting to lead {self.candidacy.election}"
        timer = asyncio.get_running_loop().call_later(WAITS, say, sentence)
        if sys.stderr is None or not sys.stderr.isatty():
            timer.cancel()
        try:
            yield timer
        finally:
            timer.cancel()

    def _variables(self, term: AsyncTerm) -> dict[str, str]:
        return {
            "INCUMBENT_TOKEN": str(term.token),
            "INCUMBENT_ELECTION": term.election,
            "INCUMBENT_CANDIDATE": term.candidate,
            "INCUMBENT_GATEWAY": self.setup.gateway,
        }


async def _whole(work: Coroutine[Any, Any, Ended]) -> Ended:
    """Await it, whole: a loss cancels whoever waits, but not before COMMAND's end was seen."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    finally:
        await task
