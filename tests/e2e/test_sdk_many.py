"""Many terms of one process, and terms and clients without end: nothing grows."""

import asyncio
import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from incumbent import AsyncClient, AsyncTerm
from tests.clients import an_election, now
from tests.figures import Figures
from tests.gateways import Gateways
from tests.sdk_process import ROOT

MANY = 1_000
TTL = 10.0
CYCLES = 10_000
CLIENTS = 300
MEGABYTE = 1_000_000


def connections(address: str) -> int:
    """TCP connections of this process to this address."""
    host, _, port = address.rpartition(":")
    assert host == "127.0.0.1"
    peer = f"0100007F:{int(port):04X}"
    own = set()
    for file in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the list itself
            own.add(str(file.readlink()))
    tables = (Path(f"/proc/self/net/{table}").read_text() for table in ("tcp", "tcp6"))
    lines = [line.split() for table in tables for line in table.splitlines()[1:]]
    return sum(1 for line in lines if line[2].endswith(peer) and f"socket:[{line[9]}]" in own)


@pytest.mark.slow
async def test_a_thousand_campaigns_of_one_client(gateways: Gateways, figures: Figures) -> None:
    """All lead over one connection a gateway, all keep their terms, and all of them move."""
    one, two = await gateways.pair()
    folder = an_election("many")
    async with AsyncClient([one.grpc, two.grpc]) as client:
        terms = [client.campaign(f"{folder}/{number}", ttl=TTL) for number in range(MANY)]
        began = now()
        await asyncio.gather(*(term.win() for term in terms))
        figures(f"{MANY} campaigns of one client: all lead", now() - began)
        tokens = [term.token for term in terms]
        assert len(set(tokens)) == MANY
        assert await least_of(terms, TTL / 2) > 0
        assert (connections(one.grpc), connections(two.grpc)) == (1, 0)
        await asyncio.to_thread(one.kill)
        least = await least_of(terms, TTL)
        assert least > 0
        figures(f"{MANY} campaigns, their gateway killed: least trust of 9.8 s", least)
        assert connections(two.grpc) == 1
        assert [term.token for term in terms] == tokens
        assert not any(term.lost.is_set() for term in terms)
        leaders = {each.election: each.leader async for each in client.elections(f"{folder}/")}
        assert connections(two.grpc) == 2  # calls have one of their own
        for term in terms:
            leader = leaders[term.election]
            assert leader is not None
            assert leader.token == term.token
        for some in range(0, MANY, 100):
            await asyncio.gather(*(term.leave() for term in terms[some : some + 100]))


async def least_of(terms: list[AsyncTerm], seconds: float) -> float:
    """The least trust that any of them had left at a look."""
    least, until = TTL, now() + seconds
    while now() < until:
        least = min(least, *(term.remaining() for term in terms))
        await asyncio.sleep(0.05)
    return least


def weighed(what: str, address: str, cycles: int) -> list[dict[str, int]]:
    """What such a process weighed, at rest, six times; the first is its warm-up."""
    said = subprocess.run(
        [sys.executable, "-m", "tests.sdk_cycles", what, address, str(cycles), "6"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert not said.stderr
    return [json.loads(line) for line in said.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(("what", "cycles"), [("terms", CYCLES), ("clients", CLIENTS)])
def test_nothing_grows(gateways: Gateways, figures: Figures, what: str, cycles: int) -> None:
    """The store is in memory, as it is the client that is weighed."""
    gateway = gateways.start(store="memory://")
    began = time.monotonic()
    warm, *_, last = weighed(what, gateway.grpc, cycles)
    figures(f"{cycles} cycles of {what}", time.monotonic() - began)
    figures(f"{cycles} cycles of {what}: megabytes", (last["bytes"] - warm["bytes"]) / MEGABYTE)
    assert last["files"] <= warm["files"]
    assert last["threads"] <= warm["threads"]
    assert last["tasks"] <= warm["tasks"] + 1
    assert last["bytes"] < warm["bytes"] + 3 * MEGABYTE
    if what == "clients":
        assert (last["threads"], last["tasks"]) == (1, 1)
