"""What the servers of all stores share: a folder, a process, an end."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.processes import end_with_parent, free_port

START = 60.0  # seconds; a busy machine needs a few
MEMORY = Path("/dev/shm")  # Linux's files in memory
ENOUGH = 1 << 30  # bytes free there, or the servers' data goes where other temporary files go


TOOLS = Path(__file__).parents[2] / ".tools/bin"


class Missing(Exception):
    """A store that cannot be had here; the text says what to install."""


def built(name: str) -> str:
    """The program of this name that `make stores` has built, or else that of the PATH."""
    found = shutil.which(name, path=TOOLS) or shutil.which(name)
    if found is None:
        raise Missing(f"{name}: not built; install Go 1.25 or later and run make stores")
    return found


def _memory() -> Path | None:
    """Where a server's data costs no disk.

    A kill -9 loses nothing that was written, wherever that is: what counts is the order.
    """
    try:
        return MEMORY if shutil.disk_usage(MEMORY).free > ENOUGH else None
    except OSError:
        return None


class Server(ABC):
    """A server of this process, from start() to stop(), on a free port.

    Its data is in memory, where it can be and `memory` is wanted. `environ` is added to its
    environment.
    """

    def __init__(
        self, name: str, *, environ: Mapping[str, str] | None = None, memory: bool = True
    ) -> None:
        self.name = name
        self.port = free_port()
        place = _memory() if memory else None
        self.folder = Path(tempfile.mkdtemp(prefix=f"incumbent-{name}-", dir=place))
        self._environ = os.environ | dict(environ or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._who: dict[str, Any] = {}  # the user that it runs as, where that is another

    @abstractmethod
    def _command(self) -> list[str]:
        """What to start."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether it serves now."""

    def start(self) -> Self:
        give_up = time.monotonic() + START
        while True:
            with (self.folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    cwd=self.folder, env=self._environ,
                    process_group=0,  # Ctrl-C is for us: we stop it
                    preexec_fn=end_with_parent, **self._who,  # noqa: PLW1509 one C call
                )  # fmt: skip
            if self._await_answer(give_up):
                return self
            # After a kill its children may still be ending; then it does not start yet.
            assert time.monotonic() < give_up, self.log()
            time.sleep(0.1)

    def _await_answer(self, give_up: float) -> bool:
        """Whether it answers before it has ended, and before the time is up."""
        assert self._process is not None
        while self._process.poll() is None and time.monotonic() < give_up:
            if self._answers():
                return True
            time.sleep(0.02)
        return False

    @property
    def _runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a power cut does."""
        assert self._process is not None
        self.signal(signal.SIGKILL)
        self._process.wait(30)

    def stop(self) -> None:
        """End the server in good order, if it runs; start() has it again."""
        if self._runs:
            self.thaw()
            self.signal(signal.SIGINT)
            assert self._process is not None
            self._process.wait(30)

    def remove(self) -> None:
        """End it and forget its data."""
        self.stop()
        shutil.rmtree(self.folder)
