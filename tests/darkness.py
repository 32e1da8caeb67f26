"""A place in the network that can go dark: a network namespace of its own, with one link to here.

What goes into the dark is lost without a word, as behind a firewall that has forgotten a connection
or at a cable that is cut: no reset, no refusal, and whoever waits for an answer waits. Needs root,
and Debian's iproute2 and iptables.
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers import Missing

_TOOLS = {"ip": "iproute2", "iptables": "iptables"}


class Place:
    """Where processes see `here`, this side's address, and are seen at `there`.

    place.command("incumbent-server", …)     what to start for something to run there
    place.darken(port)                       here:port and what is there are lost to each other
    place.darken(port, served="there")       there:port and what is here
    place.lighten()
    """

    def __init__(self) -> None:
        self.name = f"incumbent-{secrets.token_hex(4)}"
        # Of the network that is set aside for such trials (RFC 2544), four addresses by chance.
        first = f"198.18.{secrets.randbelow(256)}"
        last = 4 * secrets.randbelow(64)
        self.here, self.there = f"{first}.{last + 1}", f"{first}.{last + 2}"
        self._link = f"inc{secrets.token_hex(4)}"

    def open(self) -> None:
        _run("ip", "netns", "add", self.name)
        _run("ip", "link", "add", self._link, "type", "veth", "peer", "eth0", "netns", self.name)
        _run("ip", "addr", "add", f"{self.here}/30", "dev", self._link)
        _run("ip", "link", "set", self._link, "up")
        for words in (
            ["addr", "add", f"{self.there}/30", "dev", "eth0"],
            ["link", "set", "eth0", "up"],
            ["link", "set", "lo", "up"],
        ):
            _run("ip", "-n", self.name, *words)

    def close(self) -> None:
        """Away with it; the link goes too. Who runs there must have ended."""
        subprocess.run(["ip", "link", "del", self._link], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)

    def command(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *words]

    def darken(
        self, port: int, *, served: str = "here", requests: bool = True, answers: bool = True
    ) -> None:
        """Lose what goes to a port that is served here or there, what comes back, or both."""
        way, back = ("OUTPUT", "INPUT") if served == "here" else ("INPUT", "OUTPUT")
        side = {"OUTPUT": "-d", "INPUT": "-s"}
        lost = ["-p", "tcp", "-j", "DROP"]
        if requests:
            self._filter("-A", way, side[way], self.here, *lost, "--dport", str(port))
        if answers:
            self._filter("-A", back, side[back], self.here, *lost, "--sport", str(port))

    def lighten(self) -> None:
        """Lose nothing any more. What was sent meanwhile is sent again by who still wants it."""
        self._filter("-F")

    def _filter(self, *words: str) -> None:
        _run(*self.command("iptables", "-w", *words))


@contextmanager
def place() -> Iterator[Place]:
    """A place for the block."""
    for tool, package in _TOOLS.items():
        if shutil.which(tool) is None:
            raise Missing(f"{tool}: not on the PATH; install Debian's package {package}")
    if os.getuid() != 0:
        raise Missing("a network that goes dark: only root can make one; run the tests as root")
    made = Place()
    try:
        made.open()
        yield made
    finally:
        made.close()


def _run(*command: str) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{' '.join(command)}: {ran.stderr}"
