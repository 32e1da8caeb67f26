"""The gateways and candidates of one run, and what the conductor can do with them."""

import signal
import socket
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import incumbent
from demo.ledger import Ledger
from demo.outcome import Led
from demo.processes import Failed, Line, Process, Processes
from demo.stores import Store
from incumbent import OnDisconnect
from tests.histories.recorder import Recorder

ELECTION = "demo/ledger"
SHORT_TTL = 5.0  # seconds, of who is to be succeeded: it is waited for
LONG_TTL = 10.0  # seconds, of who is to outlast the restart of a gateway on a busy machine
CANDIDATES = 3
PATIENCE = 30.0  # seconds; whatever is waited for comes much sooner, or never
SERVER = Path(sys.executable).with_name("incumbent-server")

T = TypeVar("T")


class Port:
    """A free port of this machine, kept from others until a gateway listens on it."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def give(self) -> str:
        """Let it go, and tell its address."""
        self._socket.close()
        return self.address


class Stage:
    """What is running. `folder` holds the ledger, `logs` and `histories`."""

    def __init__(self, folder: Path, store: Store, processes: Processes) -> None:
        self.store = store
        self.ledger = Ledger.create(folder / "ledger.db")
        self.leader = Led("nobody", 0)  # who has written last, as far as was waited for
        self.candidates: dict[str, Process] = {}  # those that live, by name
        self.kinds: dict[str, OnDisconnect] = {}  # by name
        self.gateways: list[Process] = []  # in the order in which they were started
        self._folder = folder
        self._processes = processes
        self._recorder = Recorder(self.history("conductor"), "conductor")
        self._ports = Port(), Port()
        self._client = incumbent.Client(self._addresses)
        self._numbers = count(1)

    @property
    def _addresses(self) -> list[str]:
        return [port.address for port in self._ports]

    def history(self, who: str) -> Path:
        """Name the file that `who` records to."""
        return self._folder / "histories" / f"{who}.jsonl"

    def record(self, what: str, **fields: Any) -> None:
        """Record something as the conductor."""
        self._recorder.record(what, **fields)

    def close(self) -> None:
        """Close what this process itself has open; the others are not its business."""
        self._client.close()
        self.ledger.close()
        self._recorder.close()
        for port in self._ports:
            port.give()

    # -- what runs

    def gateway(self, name: str, *, port: int) -> Process:
        """Start a gateway of the one store on one of the two ports; wait until it serves."""
        gateway = self._processes.start(
            name,
            SERVER,
            *("--backend", self.store.url),
            *("--listen", self._ports[port].give()),
            *("--http", "127.0.0.1:0"),
        )
        self.gateways.append(gateway)
        self.until(f"{name} to serve", lambda: gateway.last(event="serving"))
        return gateway

    def candidate(self, ttl: float, on_disconnect: OnDisconnect = OnDisconnect.KEEP) -> None:
        """Start one more candidate."""
        name = f"node-{next(self._numbers)}"
        self.kinds[name] = on_disconnect
        self.candidates[name] = self._processes.start(
            name,
            *(sys.executable, "-m", "demo.candidate", name),
            *("--gateways", ",".join(self._addresses)),
            *("--election", ELECTION),
            *("--ledger", self._folder / "ledger.db"),
            *("--history", self.history(name)),
            *("--ttl", f"{ttl:g}"),
            *("--on-disconnect", on_disconnect),
        )

    @property
    def lead(self) -> Process:
        """The candidate that leads."""
        return self.candidates[self.leader.candidate]

    def fault(self, kind: str, process: Process, number: signal.Signals) -> None:
        """Record what is about to be done to a process, and do it: a signal."""
        # Where a gateway takes its terms with it, only the token protects until its client hears.
        ends = process in self.gateways and not self.store.keeps
        exempts = {ELECTION: [self.leader.token]} if ends else {}
        self.record("fault", kind=kind, whom=process.name, exempts=exempts)
        process.send(number)
        if number is signal.SIGKILL:
            self.candidates.pop(process.name, None)

    # -- what is waited for

    def until(self, what: str, holds: Callable[[], T | None]) -> T:
        """Wait for it. Raises Failed, Interrupted."""
        return self._processes.until(what, holds, PATIENCE)

    def ended(self, process: Process) -> None:
        """Wait for the end of a process, exit code 0. Raises Failed, Interrupted."""
        self._processes.ended(process, PATIENCE)

    def succeeded(self) -> None:
        """Wait until somebody has written under a later token."""

        def successor() -> Led | None:
            written = [
                Led(name, line["token"])
                for name, process in self.candidates.items()
                if (line := process.last(tells="wrote", taken=True))
            ]
            latest = max(written, key=lambda led: led.token, default=self.leader)
            return latest if latest.token > self.leader.token else None

        what = f"a successor of {self.leader.candidate} to write"
        self.leader = self.until(what, successor)

    def kept(self, gateway: Process) -> None:
        """Wait until the leader has moved to this gateway, and has written since."""
        lead, token = self.lead, self.leader.token

        def moved() -> Line | None:
            if lost := lead.last(tells="lost", token=token):
                raise Failed(f"{lead.name} did not keep its term: {lost['reason']}")
            return gateway.last(event="leads", token=token, how="resumed")

        self.until(f"token {token} to move to {gateway.name}", moved)
        since = len(lead.lines)
        self.until(
            f"{lead.name} to write on under token {token}",
            lambda: lead.last(since, tells="wrote", token=token, taken=True),
        )

    def queued(self, waiting: int = CANDIDATES - 1) -> None:
        """Wait until so many candidates wait, and one leads."""

        def as_many() -> bool:
            try:
                listed = list(self._client.elections())
            except incumbent.Unavailable:
                return False
            return [each.waiting for each in listed if each.leader] == [waiting]

        self.until(f"a leader and {waiting} who wait", as_many)

    def dismiss(self) -> None:
        """End everything in good order, who waits first. Raises Failed if something is left."""
        waiting = [each for name, each in self.candidates.items() if name != self.leader.candidate]
        for processes in (waiting, [self.lead]):
            for process in processes:
                process.send(signal.SIGTERM)
            for process in processes:
                self.ended(process)
        if left := self._client.leader(ELECTION):
            raise Failed(f"everybody has resigned, and the store still has token {left.token}")
        self.gateways[-1].send(signal.SIGTERM)
        self.ended(self.gateways[-1])
