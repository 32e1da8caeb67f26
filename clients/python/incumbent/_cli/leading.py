"""The options of the sub-commands that lead, `campaign` and `run`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from incumbent import AsyncClient, AsyncTerm, OnDisconnect, Trust
from incumbent._cli.durations import Duration

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Candidacy:
    """What to campaign for, and how."""

    election: str
    candidate: str
    value: str | None
    ttl: float
    no_wait: bool
    on_disconnect: OnDisconnect = OnDisconnect.KEEP

    def campaign(
        self, client: AsyncClient, on_trust: Callable[[Trust], None] | None = None
    ) -> AsyncTerm:
        """Make the term to be entered. Raises ValueError."""
        return client.campaign(
            self.election,
            candidate=self.candidate,
            value=None if self.value is None else self.value.encode(errors="surrogateescape"),
            ttl=self.ttl,
            no_wait=self.no_wait,
            on_disconnect=self.on_disconnect,
            on_trust=on_trust,
        )


def leading_options(command: Decorated) -> Decorated:
    """Add --candidate, --value, --ttl and --no-wait."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option(
        "--candidate",
        default="",
        metavar="LABEL",
        help="A name for people; it is no identity. Default: one that the gateway makes.",
    ),
    click.option("--value", metavar="TEXT", help="What to proclaim, such as an address."),
    click.option(
        "--ttl",
        type=Duration(least=1.0),
        default="10s",
        show_default=True,
        metavar="DURATION",
        help="How long the gateway bears our silence, 1s to 1h.",
    ),
    click.option("--no-wait", is_flag=True, help="Lead now, or give up."),
)
