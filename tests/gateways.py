"""Real gateways for tests: each one a process of its own, on ports that it chose itself."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Thread
from typing import IO, Any

from tests.nursery import NURSERY, Forked

PROGRAM = Path(sys.executable).with_name("incumbent-server")
START = 30.0  # seconds; a busy machine needs a few for the imports alone

Line = dict[str, Any]


class Gateway:
    """One `incumbent-server`. What it logs is collected; its addresses come from its log."""

    def __init__(self, process: "subprocess.Popen[str] | Forked") -> None:
        self.process = process
        self.lines: list[Line] = []
        self.unreadable: list[str] = []  # what is no log line
        self._news = Condition()
        self._over = False
        assert process.stderr is not None
        assert process.stdout is not None
        self._readers = [
            Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (process.stderr, process.stdout)
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for text in stream:
                self._take(text)
        with self._news:
            self._over = True
            self._news.notify_all()

    def _take(self, text: str) -> None:
        with self._news:
            try:
                self.lines.append(json.loads(text))
            except ValueError:
                self.unreadable.append(text.rstrip("\n"))
            self._news.notify_all()

    @property
    def output(self) -> str:
        return "\n".join([*map(json.dumps, self.lines), *self.unreadable])

    def await_line(
        self, event: str, seconds: float = 10.0, fits: Callable[[Line], bool] | None = None
    ) -> Line:
        """Wait for the first line that tells this event."""

        def there() -> Line | None:
            told = (line for line in list(self.lines) if line.get("event") == event)
            return next((line for line in told if fits is None or fits(line)), None)

        with self._news:
            self._news.wait_for(lambda: there() is not None or self._over, seconds)
        line = there()
        assert line is not None, f"no line {event!r} within {seconds:g} s:\n{self.output}"
        return line

    async def line(
        self, event: str, seconds: float = 10.0, fits: Callable[[Line], bool] | None = None
    ) -> Line:
        return await asyncio.to_thread(self.await_line, event, seconds, fits)

    def serving(self) -> "Gateway":
        """Wait until it serves and its store has answered."""
        give_up = time.monotonic() + START
        while not _ready(self.http):
            assert time.monotonic() < give_up, self.output
            time.sleep(0.01)
        return self

    @property
    def grpc(self) -> str:
        return str(self.await_line("serving", START)["grpc"])

    @property
    def http(self) -> str:
        return f"http://{self.await_line('serving', START)['http']}"

    def terminate(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        """End it at once, as kill -9 does."""
        self.process.kill()
        self.process.wait(10)

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def wait(self, seconds: float = 20.0) -> int:
        """Wait for its end; its exit code."""
        code = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(5)
        return code

    async def ended(self, seconds: float = 20.0) -> int:
        return await asyncio.to_thread(self.wait, seconds)


def _ready(http: str) -> bool:
    try:
        with urllib.request.urlopen(f"{http}/ready", timeout=5):
            return True
    except urllib.error.HTTPError as answer:
        answer.close()
        return False


class Gateways:
    """Every gateway of one test; none outlives it, and none may have said anything unseemly."""

    def __init__(self, folder: Path) -> None:
        self.store = f"sqlite:///{folder}/incumbent.db"
        self.file = folder / "incumbent.db"
        self.all: list[Gateway] = []

    def begin(
        self,
        *flags: str,
        store: str | None = None,
        environ: Mapping[str, str] | None = None,
        program: Sequence[str] | None = None,
    ) -> Gateway:
        """Start a gateway without waiting; the test's own file is the default store.

        It is forked from one that has the imports behind it, unless a program is named.
        """
        argv = ["--backend", store or self.store, *flags]
        for flag in {"--listen", "--http"}.difference(flags):
            argv += [flag, "127.0.0.1:0"]
        if program is None:
            gateway = Gateway(NURSERY.fork(argv, _inherited(environ)))
        else:
            gateway = Gateway(spawn([*program, *argv], environ=environ))
        self.all.append(gateway)
        return gateway

    def start(self, *flags: str, **how: Any) -> Gateway:
        return self.begin(*flags, **how).serving()

    async def launch(self, *flags: str, **how: Any) -> Gateway:
        return await asyncio.to_thread(self.start, *flags, **how)

    async def pair(self, *flags: str) -> tuple[Gateway, Gateway]:
        """Two gateways of one store."""
        one, two = self.begin(*flags), self.begin(*flags)
        return await asyncio.to_thread(one.serving), await asyncio.to_thread(two.serving)

    def refused(self, *flags: str, **how: Any) -> str:
        """Start a gateway that cannot run: exit code 2, and the one sentence that it said."""
        gateway = self.begin(*flags, **how)
        code = gateway.wait()
        assert code == 2, gateway.output
        assert len(gateway.unreadable) == 1, gateway.output
        assert not [line for line in gateway.lines if line["event"] == "serving"], gateway.output
        (sentence,) = gateway.unreadable
        gateway.unreadable.clear()
        assert sentence.startswith("incumbent-server: ")
        return sentence

    def stop_all(self) -> None:
        for gateway in self.all:
            if gateway.process.poll() is None:
                gateway.kill()
            gateway.wait()
        for gateway in self.all:
            assert "Traceback" not in gateway.output, gateway.output
            assert not gateway.unreadable, gateway.output


@contextmanager
def gateways_in(folder: Path, store: str | None = None) -> Iterator[Gateways]:
    """Gateways on a store, or on a file in this folder, ended with the block."""
    gateways = Gateways(folder)
    if store is not None:
        gateways.store = store
    try:
        yield gateways
    finally:
        gateways.stop_all()


def spawn(
    command: Sequence[str], *, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> "subprocess.Popen[str]":
    """Start a process with nothing on its input and both outputs to be read."""
    return subprocess.Popen(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=_inherited(environ),
    )


def _inherited(environ: Mapping[str, str] | None) -> dict[str, str]:
    """This environment without what is said to gateways, and what is said instead."""
    others = {name: text for name, text in os.environ.items() if not name.startswith("INCUMBENT")}
    return others | dict(environ or {})
