"""The examples as their users run them: several processes, and the one that leads is killed."""

import json
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import pytest

import incumbent
from tests.gateways import Gateway, Gateways
from tests.processes import free_port

EXAMPLES = Path(__file__).parents[2] / "examples"


class Example:
    """One process of an example; its lines arrive in a queue."""

    def __init__(self, script: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(EXAMPLES / script), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: Queue[str] = Queue()
        self.said: list[str] = []
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line.rstrip("\n"))

    def until(self, pattern: str, seconds: float = 10.0) -> "re.Match[str]":
        """Wait for a line that matches from its beginning."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                pytest.fail(f"no line {pattern!r} within {seconds} s: {self.said}")
            self.said.append(line)
            if found := re.match(pattern, line):
                return found

    def end(self, number: signal.Signals) -> tuple[int, list[str]]:
        """Send it a signal, and wait for its end."""
        self._process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[int, list[str]]:
        """Wait for its end; its exit code, and all that it had left to say."""
        code = self._process.wait(10)
        self._reader.join()
        return code, list(self._lines.queue)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


class Examples:
    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._all: list[Example] = []

    def start(self, script: str, *arguments: str) -> Example:
        example = Example(script, "--gateway", self.gateway.grpc, *arguments)
        self._all.append(example)
        return example

    def stop(self) -> None:
        for example in self._all:
            example.kill()


@pytest.fixture
def examples(gateways: Gateways) -> Iterator[Examples]:
    """Examples at a gateway of this test's own: their elections have fixed names."""
    examples = Examples(gateways.start())
    yield examples
    examples.stop()


def test_the_scheduler_runs_each_slot_once_and_leaves_none_out(
    examples: Examples, tmp_path: Path
) -> None:
    database = str(tmp_path / "runs.db")
    every = ("--database", database, "--every", "0.2")
    first = examples.start("scheduler.py", "--node", "first", *every)
    first.until("first ran slot")
    second = examples.start("scheduler.py", "--node", "second", *every)
    first.until("first ran slot")
    first.kill()
    second.until("second leads")
    taken_over = time.time()
    while int(second.until(r"second ran slot (\d+)")[1]) * 0.2 < taken_over:
        pass
    with sqlite3.connect(database) as db:
        runs = db.execute("SELECT slot, token, node FROM run ORDER BY slot").fetchall()
    db.close()
    slots = [slot for slot, _, _ in runs]
    assert slots == list(range(slots[0], slots[-1] + 1))
    tokens = [token for _, token, _ in runs]
    assert tokens == sorted(tokens)
    nodes = {token: node for _, token, node in runs}
    assert nodes == {min(tokens): "first", max(tokens): "second"}


def test_the_daemon_resumes_from_the_checkpoint(examples: Examples, tmp_path: Path) -> None:
    database = ("--database", str(tmp_path / "checkpoint.db"), "--pause", "0.02")
    first = examples.start("daemon.py", *database)
    first.until("at 5,")
    second = examples.start("daemon.py", *database)
    first.kill()
    position = int(second.until(r"leads with token \d+, goes on from (\d+)")[1])
    assert position >= 5
    at, total = map(int, second.until(r"at (\d+), total (\d+)").groups())
    assert (at, total) == (position + 1, at * (at + 1) // 2)


def test_the_cluster_works_for_whoever_leads(examples: Examples) -> None:
    nodes = {"one": examples.start("cluster.py", "--node", "one")}
    nodes["one"].until("one leads")
    nodes["two"] = examples.start("cluster.py", "--node", "two")
    worker = examples.start("cluster.py", "--node", "worker", "--role", "worker")
    observer = examples.start("cluster.py", "--node", "observer", "--role", "observer")
    old = int(worker.until(r"worker did task (\d+)\.1")[1])
    observer.until("observer sees that one leads")
    nodes["one"].kill()
    observer.until("observer sees that nobody leads")
    observer.until("observer sees that two leads")
    new = int(worker.until(rf"worker did task (?!{old}\.)(\d+)\.")[1])
    assert new > old
    assert not any("leads, token" in line for line in worker.said + observer.said)


def answer(url: str, *, post: bool = False) -> tuple[int, dict[str, object]]:
    request = urllib.request.Request(url, method="POST" if post else "GET")
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)
    except urllib.error.URLError:
        return 0, {"state": "not there"}


def becomes(url: str, status: int, state: str) -> None:
    deadline = time.monotonic() + 10
    while (told := answer(url))[0] != status or told[1]["state"] != state:
        assert time.monotonic() < deadline, told
        time.sleep(0.02)


def test_the_web_controller_answers_503_until_it_has_recovered(examples: Examples) -> None:
    ports = [free_port(), free_port()]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    first = examples.start("web.py", "--port", str(ports[0]), "--node", "first")
    becomes(f"{urls[0]}/ready", 503, "recovering")
    assert answer(f"{urls[0]}/work", post=True)[0] == 503
    becomes(f"{urls[0]}/ready", 200, "active")
    examples.start("web.py", "--port", str(ports[1]), "--node", "second")
    becomes(f"{urls[1]}/ready", 503, "standby")
    status, told = answer(f"{urls[0]}/work", post=True)
    assert status == 200
    assert answer(f"{urls[1]}/work", post=True)[0] == 503
    first.kill()
    becomes(f"{urls[1]}/ready", 503, "recovering")
    becomes(f"{urls[1]}/ready", 200, "active")
    status, later = answer(f"{urls[1]}/work", post=True)
    assert status == 200
    assert int(str(later["fence"])) > int(str(told["fence"]))


ALL = ["scheduler.py", "daemon.py", "cluster.py", "web.py"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("script", ALL)
def test_it_ends_cleanly_and_resigns(
    examples: Examples, tmp_path: Path, script: str, number: signal.Signals
) -> None:
    arguments = {"web.py": ["--port", "0"], "cluster.py": []}
    database = ["--database", str(tmp_path / "example.db")]
    example = examples.start(script, *arguments.get(script, database))
    example.until(".* did task" if script == "cluster.py" else ".*leads")
    code, said = example.end(number)
    assert code == 128 + number
    assert not any("Error" in line or "Traceback" in line for line in said), said
    with incumbent.Client(examples.gateway.grpc) as client:
        assert client.leader(f"examples/{script.removesuffix('.py')}") is None


@pytest.mark.parametrize("script", ALL)
def test_it_says_that_no_gateway_is_there(tmp_path: Path, script: str) -> None:
    gateway = f"127.0.0.1:{free_port()}"
    arguments = {"web.py": ["--port", "0"], "cluster.py": []}
    database = ["--database", str(tmp_path / "example.db")]
    where = arguments.get(script, database)
    example = Example(script, "--gateway", gateway, "--node", "first", *where)
    try:
        example.until(f"first: no gateway answers at {gateway} yet; waits for one$")
        code, said = example.end(signal.SIGTERM)
    finally:
        example.kill()
    assert code == 128 + signal.SIGTERM
    assert said == []


def test_a_port_that_is_taken_is_one_sentence(examples: Examples) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        example = examples.start("web.py", "--port", str(port))
        said = example.until(r"web\.py: port .*")[0]
        assert example.ended() == (1, [])
    assert "Address already in use" in said
    assert said.endswith("; try another --port")


def test_two_replicas_have_two_names(examples: Examples) -> None:
    said = [examples.start("web.py", "--port", "0").until(r"(\S+) answers at http") for _ in "ab"]
    assert said[0][1] != said[1][1]
