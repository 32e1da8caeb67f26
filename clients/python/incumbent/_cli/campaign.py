"""The sub-command `campaign`, which leads in the foreground and does nothing else."""

import asyncio
from typing import Any

import click

from incumbent import AsyncTerm, Leader, LeadershipLost, OnDisconnect
from incumbent._cli import tables
from incumbent._cli.exits import Exit
from incumbent._cli.help import SIGNALLED, epilog
from incumbent._cli.leading import Candidacy, leading_options
from incumbent._cli.options import Setup, Subcommand
from incumbent._cli.shapes import term_shape
from incumbent._cli.signals import obeying_signals
from incumbent._cli.view import View


@click.command(
    cls=Subcommand,
    epilog=epilog(
        [
            "incumbent campaign demo --candidate node-a --value 10.0.0.7:8080",
            "incumbent campaign demo --no-wait --output json",
        ],
        {Exit.NO: "--no-wait, and another leads or waits", Exit.LOST: "leadership was lost"},
        SIGNALLED,
    ),
)
@click.argument("election")
@leading_options
@click.option(
    "--on-disconnect",
    type=click.Choice([each.value for each in OnDisconnect]),
    default=OnDisconnect.KEEP.value,
    show_default=True,
    help="What a broken connection costs: nothing until --ttl has run out, or the term at once.",
)
@click.option("--show-credential", is_flag=True, help="Tell the secret that `resign` takes.")
@click.pass_obj
def campaign(setup: Setup, /, on_disconnect: str, show_credential: bool, **how: Any) -> Exit:
    """Campaign for ELECTION and lead it until Ctrl-C, then resign.

    Each change is told: campaigning, leading, lost, resigned. To run a program while leading, use
    `incumbent run`.
    """
    candidacy = Candidacy(on_disconnect=OnDisconnect(on_disconnect), **how)
    stage = Stage(View(setup.form), candidacy.election, show_credential=show_credential)
    return obeying_signals(lambda _: lead(setup, candidacy, stage))


class Stage:
    """Where each change is told."""

    def __init__(self, view: View, election: str, *, show_credential: bool) -> None:
        self._view = view
        self._election = election
        self._show_credential = show_credential

    def campaigning(self) -> None:
        """It does not lead yet."""
        self._tell("campaigning", {}, f"campaigning for {self._election}")

    def leading(self, own: AsyncTerm) -> None:
        """It leads."""
        term = Leader(own.election, own.token, own.candidate, own.value, own.begin_time)
        secret = {"credential": own.credential} if self._show_credential else {}
        shown = f", credential {own.credential}" if secret else ""
        self._tell("leading", {**term_shape(term), **secret}, tables.led_by(term) + shown)

    def lost(self, token: int, reason: str) -> None:
        """It leads no longer."""
        self._tell("lost", {"token": token, "reason": reason}, f"lost, token {token} ({reason})")

    def resigned(self, token: int) -> None:
        """It leads no longer, because we left."""
        self._tell("resigned", {"token": token}, f"resigned, token {token}")

    def _tell(self, state: str, told: dict[str, Any], sentence: str) -> None:
        shape = {"state": state, "election": self._election, **told}
        self._view.show(shape, lambda: tables.line(sentence))


async def lead(setup: Setup, candidacy: Candidacy, stage: Stage) -> Exit:
    """Lead until leadership is lost, which raises, or a signal cancels it."""
    token = None
    async with setup.async_client() as client:
        try:
            wanted = candidacy.campaign(client)  # refuses what is wrong before anything is told
            stage.campaigning()
            async with wanted as term:
                token = term.token
                stage.leading(term)
                await asyncio.Event().wait()
        except LeadershipLost as error:
            stage.lost(error.token, error.reason)
            raise
        except asyncio.CancelledError:
            if token is not None:
                stage.resigned(token)
            raise
    return Exit.OK
