"""The sub-commands that are answered at once: leader, verify, elections, backend, resign."""

import os
from pathlib import Path

import click

from incumbent._cli import tables
from incumbent._cli.exits import Exit
from incumbent._cli.help import epilog
from incumbent._cli.options import Setup, Subcommand, secret_in
from incumbent._cli.shapes import (
    backend_shape,
    election_shape,
    leader_shape,
    resigned_shape,
    verification_shape,
)
from incumbent._cli.view import View


@click.command(
    cls=Subcommand,
    epilog=epilog(
        ["incumbent leader team-a/scheduler", "incumbent leader demo | jq .leader.token"],
        {Exit.OK: "there is a leader", Exit.NO: "the election is vacant"},
    ),
)
@click.argument("election")
@click.pass_obj
def leader(setup: Setup, election: str) -> Exit:
    """Tell who leads ELECTION, as the store has it."""
    view = View(setup.form)
    with setup.client() as client:
        found = client.leader(election)
    view.show(leader_shape(election, found), lambda: tables.leader(election, found))
    return Exit.NO if found is None else Exit.OK


@click.command(
    cls=Subcommand,
    epilog=epilog(
        ["incumbent verify team-a/scheduler 42", 'incumbent verify "$ELECTION" "$TOKEN" || exit'],
        {Exit.OK: "the token is that of the present term", Exit.NO: "it is not"},
    ),
)
@click.argument("election")
@click.argument("token", type=int)
@click.pass_obj
def verify(setup: Setup, election: str, token: int) -> Exit:
    """Tell whether TOKEN is that of the present term of ELECTION.

    Asked of the store at the call. That narrows the window between check and write, but only a
    resource that remembers the highest token closes it.
    """
    view = View(setup.form)
    with setup.client() as client:
        told = client.verify(election, token)
    view.show(
        verification_shape(election, token, told),
        lambda: tables.verification(election, token, told),
    )
    return Exit.OK if told.current else Exit.NO


@click.command(
    cls=Subcommand,
    epilog=epilog(
        ["incumbent elections", "incumbent elections team-a/ --output json"],
        {Exit.OK: "listed, even if there are none"},
    ),
)
@click.argument("prefix", default="")
@click.pass_obj
def elections(setup: Setup, prefix: str) -> Exit:
    """List the elections that are led or contended.

    All of them, or those below PREFIX, which ends at a `/`. `waiting` counts the candidates on the
    gateway that answers.
    """
    view = View(setup.form)
    with setup.client() as client:
        listed = client.elections(prefix)
        if view.form == "json":
            for each in listed:
                view.write(election_shape(each))
        else:
            view.draw(lambda: tables.elections(listed))
    return Exit.OK


@click.command(
    cls=Subcommand,
    epilog=epilog(["incumbent backend", "incumbent backend | jq .backend_ttl"], {Exit.OK: "told"}),
)
@click.pass_obj
def backend(setup: Setup) -> Exit:
    """Tell which store it is, and what it promises."""
    view = View(setup.form)
    with setup.client() as client:
        told = client.backend()
    view.show(backend_shape(told), lambda: tables.backend(told))
    return Exit.OK


@click.command(
    cls=Subcommand,
    epilog=epilog(
        [
            "incumbent resign demo --credential-file /run/demo.credential",
            'INCUMBENT_CREDENTIAL="$CREDENTIAL" incumbent resign demo',
        ],
        {Exit.OK: "the term has ended, or the candidate withdrew", Exit.NO: "there was neither"},
    ),
)
@click.argument("election")
@click.option(
    "--credential-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Holds the credential. Default: the variable INCUMBENT_CREDENTIAL.",
)
@click.pass_obj
def resign(setup: Setup, election: str, credential_file: Path | None) -> Exit:
    """End another process's term of ELECTION, by its credential.

    Or its wait, where it does not lead yet. Stop first whatever works under that term: its
    successor may begin at once. The credential is a secret, `campaign --show-credential` prints it;
    it is never an argument, as those are seen in the list of processes.
    """
    secret = os.environ.get("INCUMBENT_CREDENTIAL", "")
    if credential_file is not None:
        secret = secret_in(credential_file)
    if not secret.strip():
        raise click.UsageError("give --credential-file, or INCUMBENT_CREDENTIAL")
    view = View(setup.form)
    with setup.client() as client:
        ended = client.resign(election, secret.strip())
    view.show(resigned_shape(election, ended), lambda: tables.resigned(election, ended))
    return Exit.OK
