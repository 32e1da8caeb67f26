"""`incumbent-compare` as a user runs it, with a few operations each; no figure is looked at."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from incumbent_compare.results import Run, Way
from incumbent_compare.scenarios import SCENARIOS
from tests.compare import STORES

ROOT = Path(__file__).parents[2]
COMMAND = str(Path(sys.executable).with_name("incumbent-compare"))
pytestmark = pytest.mark.timeout(300)


def compare(out: Path, *words: str, command: Sequence[str] = (COMMAND,)) -> tuple[int, Run, str]:
    ran = subprocess.run(
        [*command, "--smoke", "--out", str(out), *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    (file,) = out.glob("*.json")
    return ran.returncode, Run.model_validate_json(file.read_text()), ran.stdout + ran.stderr


def scenarios(*names: str) -> Sequence[str]:
    return [word for name in names for word in ("--scenario", name)]


def test_a_campaign_on_sqlite_is_measured_beside_its_direct_way_and_the_floor(
    tmp_path: Path,
) -> None:
    code, run, told = compare(tmp_path, "--store", "sqlite", *scenarios("campaign"))
    assert code == 0, told
    assert [series.way for series in run.series] == [Way.GATEWAY, Way.DIRECT, Way.FLOOR]
    for series in run.series:
        assert series.cost is not None
        assert series.cost.operations == 4
        assert [len(repetition) for repetition in series.quantities[0].repetitions] == [2, 2]
    gateway = run.series[0]
    assert [quantity.name for quantity in gateway.quantities] == [
        "enter to LEADING",
        "above direct and a bare stream",
        "writes at the store",
    ]
    assert gateway.quantities[2].repetitions == ((2.0,), (2.0,))  # acquire and release
    assert str(tmp_path) not in run.model_dump_json()


def test_every_scenario_runs_on_memory(tmp_path: Path) -> None:
    code, run, told = compare(tmp_path, "--store", "memory", *scenarios(*SCENARIOS))
    assert code == 0, told
    assert {series.scenario for series in run.series} == SCENARIOS.keys()
    assert all(series.store == "memory" for series in run.series)


def test_make_compare_starts_a_server_for_each_store(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "tests.compare")
    code, run, told = compare(tmp_path, *scenarios("campaign"), command=command)
    assert code == 0, told
    stores = list(dict.fromkeys(series.store for series in run.series))
    assert stores == list(STORES)
    assert {"postgres", "etcd", "consul"} <= run.versions.keys()
    for series in run.series:
        assert series.cost is not None
        assert (series.cost.store is None) == (series.store == "sqlite")


def test_an_unreachable_store_is_missing_and_the_exit_code_says_so(tmp_path: Path) -> None:
    words = ["--store", "memory", "--store", "etcd://127.0.0.1:1", *scenarios("campaign")]
    code, run, told = compare(tmp_path, *words)
    assert code == 1, told
    assert [(each.scenario, each.store) for each in run.missing] == [("campaign", "etcd")]
    assert {series.store for series in run.series} == {"memory"}


def test_interrupted_it_leaves_nothing_behind(tmp_path: Path) -> None:
    folder, out = tmp_path / "folder", tmp_path / "out"
    folder.mkdir()
    process = subprocess.Popen(
        [COMMAND, "--store", "sqlite", "--scenario", "failover", "--folder", folder, "--out", out],
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        give_up = time.monotonic() + 60
        while not list(folder.glob("*/sqlite/*/gateway-1.log")):
            assert time.monotonic() < give_up
            time.sleep(0.05)
        time.sleep(1)  # somewhere in the middle
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert list(folder.iterdir()) == []
    assert list(out.iterdir()) == []
    assert _mentioning(str(folder)) == []


def _mentioning(text: str) -> list[str]:
    """The processes whose environment speaks of the folder, as that of a gateway does."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (process / "environ").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return [each for each in found if int(each) != os.getpid()]
