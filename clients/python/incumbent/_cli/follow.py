"""The sub-command `observe`, which follows who leads."""

from functools import partial

import click

from incumbent._cli import tables
from incumbent._cli.exits import Exit
from incumbent._cli.help import SIGNALLED, epilog
from incumbent._cli.options import Setup, Subcommand
from incumbent._cli.shapes import observation_shape
from incumbent._cli.view import View


@click.command(
    cls=Subcommand,
    epilog=epilog(
        [
            "incumbent observe team-a/scheduler",
            "incumbent observe --prefix team-a/",
            "incumbent observe | jq -c 'select(.leader == null)'",
        ],
        {},
        SIGNALLED,
    ),
)
@click.argument("election", required=False)
@click.option("--prefix", metavar="PREFIX/", help="All elections below it.")
@click.pass_obj
def observe(setup: Setup, election: str | None, prefix: str | None) -> Exit:
    """Follow who leads ELECTION, or every election, until Ctrl-C.

    First the whole present state, then one line that says so (JSON: `synced`), then each change. A
    vacancy is a state. A slow reader gets the latest state and no history.
    """
    if election is not None and prefix is not None:
        raise click.UsageError("give ELECTION or --prefix, not both")
    view = View(setup.form)
    with setup.client() as client:
        for told in client.observe(election, prefix=prefix):
            view.show(observation_shape(told), partial(tables.observation, told))
    return Exit.OK
