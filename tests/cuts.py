"""Two gateways of one store, one of which can be cut off from it, but not from its clients."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from incumbent.v1 import election_service_pb2 as pb
from tests.clients import Streams, a_credential, an_election
from tests.darkness import Place
from tests.figures import Figures
from tests.gateways import PROGRAM, Gateway, gateways_in

TTL = 3.0  # seconds, the backend ttl
SLACK = 2.0  # seconds more than the bound, for a busy machine


class Cut(NamedTuple):
    """The gateway that can be cut off, and the one that stays."""

    place: Place
    port: int  # the server's
    url: str  # the store's
    dark: Gateway
    bright: Gateway

    def darken(self, *, lost: str = "both ways") -> float:
        """Lose what is on the way; return when that began."""
        self.place.darken(self.port, requests=lost != "answers", answers=lost != "requests")
        return time.monotonic()


@contextmanager
def cut_off(
    place: Place, port: int, url: str, folder: Path, driver: Callable[[str], str] = str
) -> Iterator[Cut]:
    """A pair on this store, whose server listens on 127.0.0.1 and on the place's own side."""
    flags, there = ["--backend-ttl", f"{TTL}s"], f"{place.there}:0"
    with pytest.MonkeyPatch.context() as patched, gateways_in(folder) as gateways:
        patched.setenv("no_proxy", f"127.0.0.1,localhost,{place.there}")
        dark = gateways.begin(
            *flags, "--listen", there, "--http", there,
            store=driver(url.replace("127.0.0.1", place.here)),
            program=place.command(str(PROGRAM)),
        )  # fmt: skip
        bright = gateways.start(*flags, store=driver(url))
        try:
            yield Cut(place, port, url, dark.serving(), bright)
        finally:
            place.lighten()


async def its_client_moves(cut: Cut, streams: Streams, figures: Figures, lost: str) -> None:
    """It is told JEOPARDY, resumes elsewhere without a gap, and keeps its token."""
    election, credential = an_election(), a_credential()
    leader = await streams.candidate(cut.dark.grpc, election, credential=credential, ttl=30)
    token = await leader.leads()
    began = cut.darken(lost=lost)
    await leader.state(pb.STATE_JEOPARDY, TTL)
    again = await streams.candidate(
        cut.bright.grpc, election, credential=credential, ttl=30, attempt=2, resume_token=token
    )
    assert await again.leads() == token
    figures(f"store dark ({lost}): led on elsewhere", time.monotonic() - began, TTL)
    assert again.believed_from <= leader.believes_until, "there was no gap"
    assert await leader.lost(TTL * 1.02 + 0.5 + SLACK) in {"BACKEND_LOST", "SUPERSEDED"}
    await again.until(lambda response: response.sequence >= 4)
    cut.place.lighten()
    await asyncio.to_thread(cut.dark.serving)
    assert (await again.answered()).term.token == token  # what was held back has ended nothing
    back = await streams.candidate(
        cut.dark.grpc, election, credential=credential, attempt=3, resume_token=token
    )
    assert await back.leads() == token
