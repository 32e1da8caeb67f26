"""How the comparison measures: counts, CPU, percentiles, goals, and what it keeps of them."""

import asyncio
import os
import socket
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from incumbent.v1 import election_service_pb2 as pb
from incumbent_compare import goals
from incumbent_compare.peers import etcd as etcd_peer
from incumbent_compare.plan import Plan
from incumbent_compare.processes import Server
from incumbent_compare.results import Goal, Missing, Quantity, Run, Way
from incumbent_compare.runner import Comparison
from incumbent_compare.scenarios.crowd import _times
from incumbent_compare.scenarios.observers import _Audience
from incumbent_compare.setting import Meter, Setting, quantity
from incumbent_compare.sizes import SMOKE
from incumbent_compare.streams import Campaign, Observation
from incumbent_compare.targets import Count, Target
from incumbent_compare.targets.sqlite import SqliteTarget
from incumbent_compare.usage import cpu_of_family, cpu_seconds, resident_kb, server_at


class Scripted(Target):
    """A store that says what it is told to."""

    name = "scripted"
    counts = "by hand"

    def __init__(self, *counts: Count) -> None:
        super().__init__("", Path())
        self._counts = iter(counts)

    async def prepare(self) -> str:
        return "1"

    async def count(self) -> Count:
        return next(self._counts)

    async def forget(self, namespace: str) -> None:
        """Nothing."""

    async def close(self) -> None:
        """Nothing."""


class Used:
    """A server that has used so many seconds of CPU."""

    def __init__(self, *seconds: float) -> None:
        self._seconds = iter(seconds)

    def cpu(self) -> float:
        return next(self._seconds)


async def test_a_meter_keeps_repetitions_apart_and_adds_up_their_cost() -> None:
    target = Scripted(Count(10), Count(14), Count(20), Count(23))
    meter = Meter(target, [cast("Server", Used(1.0, 1.5, 7.0, 7.25))])
    async with meter.repetition(2) as first:
        pass
    async with meter.repetition() as second:  # how many it was is known only now
        second.operations = 3
    assert (first.count, second.count) == (Count(4), Count(3))
    (writes,) = meter.quantities()
    assert writes.repetitions == ((2.0,), (1.0,))
    cost = meter.cost()
    assert (cost.operations, cost.gateway, cost.store, cost.requests) == (5, 0.75, None, 7)
    assert cost.client >= 0


async def test_requests_are_told_where_the_store_counts_them() -> None:
    target = Scripted(Count(1, 10, 100), Count(2, 15, 300))
    meter = Meter(target, each=False)
    async with meter.repetition(1) as this:
        pass
    assert this.count == Count(1, 5, 200)
    assert meter.quantities() == []
    assert (meter.cost().requests, meter.cost().gateway) == (5, None)


async def test_what_fails_in_a_repetition_is_not_counted() -> None:
    meter = Meter(Scripted(Count(1), Count(2)))
    with pytest.raises(RuntimeError):
        async with meter.repetition(1):
            raise RuntimeError("it failed")
    assert (meter.operations, meter.writes) == (0, [])


def test_a_series_says_how_its_store_was_counted() -> None:
    setting = Setting(Scripted(), SMOKE, Path(), "namespace")
    series = setting.series(
        "campaign", Way.FLOOR, "floor", [quantity("q", "ms", [[1]])], Meter(setting.target), of=3
    )
    assert (series.store, series.parameters) == ("scripted", {"of": 3})
    assert series.remarks == ("counted at the store: by hand",)


def test_repetitions_without_a_sample_are_left_out() -> None:
    assert quantity("q", "ms", [[1.0], [], [2.0]]).repetitions == ((1.0,), (2.0,))


def test_a_quantity_has_several_goals() -> None:
    measured = goals.with_goals(quantity("q", "ms", [[1.0]]), *goals.handover("sqlite"))
    assert [(goal.statistic, goal.bound) for goal in measured.goals] == [("p50", 25), ("p99", 100)]
    assert goals.with_goals(measured).goals == measured.goals
    assert goals.release("consul").bound == 2 * goals.release("etcd").bound == 300
    assert goals.writes_a_heartbeat(5000).bound == 1 / 5000


def test_percentiles_and_medians_are_of_samples_that_were_taken() -> None:
    measured = Quantity(name="q", unit="ms", repetitions=((1.0, 9.0, 2.0), (4.0,)))
    assert (measured.p(50), measured.p(99), measured.p(0)) == (2.0, 9.0, 1.0)
    assert measured.medians() == (2.0, 4.0)


def test_a_run_is_read_as_it_was_written() -> None:
    setting = Setting(Scripted(), SMOKE, Path(), "namespace")
    goal = Goal(statistic="p50", bound=0.7, at_least=True, over="floor")
    measured = goals.with_goals(quantity("rate", "a second", [[1.5], [2.5]]), goal, goals.KEEP)
    series = setting.series(
        "heartbeats", Way.GATEWAY, "gateway", [measured], Meter(setting.target), streams=5, kind="x"
    )
    run = Run(
        began=datetime(2026, 1, 2, tzinfo=UTC),
        seconds=1.5,
        full=False,
        machine={"cores": "2"},
        versions={"python": "3"},
        load=0.5,
        series=(series,),
        missing=(Missing(scenario="idle", store="etcd", why="it is away"),),
    )
    assert Run.model_validate_json(run.model_dump_json(indent=1)) == run


async def test_a_store_that_cannot_be_reached_is_missing_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"127.0.0.1:{taken.getsockname()[1]}"
        stores = {
            "postgres": f"postgres://me:secret@{url}/base",
            "etcd": f"etcd://{url}",
            "consul": f"consul://:secret@{url}",
        }
        plan = Plan(stores, ("idle", "campaign"), SMOKE, {"memory": "not today"})
        run = await Comparison(plan, tmp_path).run()
    assert run.series == ()
    assert [(each.scenario, each.store) for each in run.missing] == [
        (scenario, store) for store in ("memory", *stores) for scenario in ("idle", "campaign")
    ]
    assert "secret" not in run.model_dump_json() + capsys.readouterr().err
    assert not run.full


def test_cpu_and_memory_of_a_process_and_of_its_family() -> None:
    burn = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(10**7))'])"
    child = subprocess.Popen(
        [sys.executable, "-c", f"{burn}; print('done', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"done\n"
        assert cpu_of_family(child.pid) > cpu_seconds(child.pid)  # the grandchild has ended
        assert resident_kb(child.pid) > 1000
        child.communicate(b"\n")


def test_a_server_is_found_by_its_address_and_its_name() -> None:
    name = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert server_at("127.0.0.1", port, name) is not None
        assert server_at("127.0.0.1", port, "another") is None
        assert server_at("192.0.2.1", port, name) is None
    assert server_at("127.0.0.1", port, name) is None


async def test_sqlite_is_counted_from_outside(tmp_path: Path) -> None:
    target = SqliteTarget("", tmp_path)
    await target.prepare()
    connection = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (n INTEGER)")
    before = await target.count()
    for number in range(2500):  # the log begins anew on the way
        connection.execute("INSERT INTO t VALUES (?)", (number,))
        if number % 1000 == 0:
            await target.count()
    done = await target.count() - before
    assert done.writes == 2500
    assert done.log_bytes is not None
    assert 2000 * 4096 < done.log_bytes < 4 * 2500 * 4200
    connection.close()
    await target.close()


def test_what_etcd_answers_is_read_field_by_field() -> None:
    long = b"k" * 300
    answer = etcd_peer._field(1, b"header") + etcd_peer._field(2, long)
    assert etcd_peer._part(answer, 2) == long
    with pytest.raises(ValueError, match="lacks"):
        etcd_peer._part(etcd_peer._field(1, b"header"), 2)


async def test_an_audience_is_told_when_the_last_of_it_knows() -> None:
    audience = _Audience(2)
    one, other = audience.observer(1), audience.observer(2)

    def tell(observer: Observation, token: int | None) -> None:
        term = None if token is None else pb.Term(token=token)
        observer.take(pb.ObserveResponse(election="e", term=term).SerializeToString())

    tell(one, 3)
    tell(one, 3)
    waiting = asyncio.create_task(audience.told())
    await asyncio.sleep(0)
    assert not waiting.done()
    tell(other, 3)
    assert len(await waiting) == 2
    tell(one, None)  # then a vacancy is expected
    tell(other, 3)
    waiting = asyncio.create_task(audience.told())
    await asyncio.sleep(0)
    assert not waiting.done()
    tell(other, None)
    await waiting
    tell(one, 3)  # an old leader is no change
    tell(one, 4)
    tell(other, 4)
    first, last = await audience.told()
    assert first <= last


async def test_whoever_leads_after_the_crowd_died_counts_once() -> None:
    crowd = [Campaign(pb.STATE_WAITING), Campaign(pb.STATE_WAITING)]
    waiting = pb.CampaignResponse(state=pb.STATE_WAITING).SerializeToString()
    leading = pb.CampaignResponse(state=pb.STATE_LEADING).SerializeToString()
    for stream in crowd:
        stream.take(waiting)
    times = _times(crowd)
    for message in (waiting, leading, leading):
        crowd[0].take(message)
    assert not times.done()
    crowd[1].take(leading)
    assert len(await times) == 2
