"""A process that leads with the SDK, for tests to freeze and to kill.

Each look at `held` is a line: the instant before the look, and what it said. So are the beginning
and the end of a block.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import incumbent
from incumbent import AsyncClient, Client, LeadershipLost
from tests.clients import now
from tests.gateways import spawn

ROOT = Path(__file__).parents[1]
LOOK = 0.005  # seconds between two looks
LONGER = 1.0  # seconds for which it goes on looking once it does not lead

Line = dict[str, Any]
Kind = Literal["sync", "async"]


class Process:
    """A leader in another process, and what it said."""

    def __init__(self, kind: Kind, gateways: str, election: str, **campaign: Any) -> None:
        arguments = [kind, gateways, election, json.dumps(campaign)]
        self.process = spawn([sys.executable, "-m", "tests.sdk_process", *arguments], cwd=ROOT)
        self.lines: list[Line] = []

    def line(self) -> Line:
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        assert text, self.complaint()
        self.lines.append(json.loads(text))
        return self.lines[-1]

    def until(self, key: str) -> Line:
        """The next line that tells of this."""
        while key not in (line := self.line()):
            pass
        return line

    def leads(self) -> int:
        """Wait until it leads; the token."""
        return int(self.until("leads")["leads"])

    def trusts_until(self, instant: float) -> None:
        """Wait until it is granted trust to this instant, or longer."""
        while not ((until := self.until("held")["until"]) and until >= instant):
            pass

    def looks(self) -> list[Line]:
        """Every look at `held`."""
        return [line for line in self.lines if "held" in line]

    def complaint(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def freeze(self) -> float:
        """Stop it as SIGSTOP does; the instant before."""
        at = now()
        self.process.send_signal(signal.SIGSTOP)
        return at

    def thaw(self) -> float:
        at = now()
        self.process.send_signal(signal.SIGCONT)
        return at

    def kill(self) -> float:
        at = now()
        self.process.kill()
        return at

    def ended(self) -> list[Line]:
        """Everything that it said, once it has ended by itself."""
        assert self.process.stdout is not None
        self.lines += [json.loads(line) for line in self.process.stdout]
        assert self.process.wait(10) == 0, self.complaint()
        return self.lines

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@contextmanager
def leading(kind: Kind, gateways: str, election: str, **campaign: Any) -> Iterator[Process]:
    """A process that campaigns; it does not outlive the block."""
    process = Process(kind, gateways, election, **campaign)
    try:
        yield process
    finally:
        process.close()


# -- the process itself --------------------------------------------------------------------------


def say(**line: Any) -> None:
    print(json.dumps(line), flush=True)


def look(term: incumbent.Term | incumbent.AsyncTerm) -> bool:
    at = now()
    held = term.held
    say(at=at, held=held, until=term.until if held else None)
    return held


def _sync(gateways: str, election: str, campaign: dict[str, Any]) -> None:
    with (
        Client(gateways, timeout=30) as client,
        client.campaign(election, **campaign) as term,
    ):
        say(leads=term.token, at=now())
        while look(term):
            term.lost.wait(LOOK)
        over = now()
        while now() < over + LONGER:
            look(term)
        say(lost=term.lost.is_set(), reason=term.reason, at=now())
    say(left=True, at=now())


async def _async(gateways: str, election: str, campaign: dict[str, Any]) -> None:
    async with AsyncClient(gateways, timeout=30) as client:
        term = client.campaign(election, **campaign)
        try:
            async with term:
                say(leads=term.token, at=now())
                while True:
                    look(term)
                    await asyncio.sleep(LOOK)
        except LeadershipLost as lost:
            say(lost=True, reason=lost.reason, at=now())
        look(term)


if __name__ == "__main__":
    how, addresses, name, fields = sys.argv[1:]
    if how == "sync":
        _sync(addresses, name, json.loads(fields))
    else:
        asyncio.run(_async(addresses, name, json.loads(fields)))
