"""The plan of a comparison: its parts, their order, and whether a quick run stays in its time."""

import argparse

import pytest

from incumbent_compare import cli
from incumbent_compare.plan import Plan
from incumbent_compare.scenarios import SCENARIOS
from incumbent_compare.sizes import FULL, QUICK, SMOKE
from incumbent_compare.targets import TARGETS

FIVE = {
    "sqlite": "sqlite://",
    "postgres": "postgres://me:secret@one:5432/base",
    "postgres+advisory": "postgres+advisory://me:secret@one:5432/other",
    "etcd": "etcd://one:2379",
    "consul": "consul://one:8500?session_ttl_min=1s",
}
APART = FIVE | {"postgres+advisory": "postgres+advisory://two:5432/base"}
ALL = tuple(name for name, scenario in SCENARIOS.items() if scenario.quick)


def arguments(*words: str) -> argparse.Namespace:
    return cli.parser().parse_args(words)


def test_a_quick_run_of_all_stores_takes_fifteen_minutes_at_most() -> None:
    assert Plan(APART, ALL, QUICK).seconds() <= 15 * 60


def test_every_scenario_runs_on_every_store_once() -> None:
    parts = list(Plan(APART, ALL, QUICK).parts())
    for name in ALL:
        for waits, work in ((False, SCENARIOS[name].run), (True, SCENARIOS[name].waits)):
            on = [
                store
                for part in parts
                if (part.scenario, part.waits) == (name, waits)
                for store in part.stores
            ]
            assert on == ([] if work is None else list(APART))


def test_waits_of_all_stores_go_side_by_side() -> None:
    parts = Plan(APART, ("terms", "failover"), QUICK).parts()
    assert [part.stores for part in parts if part.waits] == [tuple(APART)] * 2


def test_two_stores_of_one_server_are_not_counted_side_by_side() -> None:
    parts = [part.stores for part in Plan(FIVE, ("terms",), QUICK).parts()]
    assert parts == [("sqlite", "postgres", "etcd", "consul"), ("postgres+advisory",)]


def test_stores_without_a_server_are_side_by_side() -> None:
    stores = {"memory": "memory://", "sqlite": "sqlite://"}
    assert [part.stores for part in Plan(stores, ("idle",), QUICK).parts()] == [tuple(stores)]


def test_a_full_run_holds_terms_on_one_store_after_the_other_and_waits_for_all_at_once() -> None:
    parts = list(Plan(APART, ("terms", "failover"), FULL).parts())
    terms = [part.stores for part in parts if part.scenario == "terms"]
    assert terms == [(store,) for store in APART]
    assert [part.stores for part in parts if part.waits][-1] == tuple(APART)


def test_each_way_is_repeated_five_times() -> None:
    assert min(QUICK.repetitions, FULL.repetitions) >= 5
    assert SMOKE.repetitions >= 2


def test_without_a_store_it_takes_those_that_need_no_server() -> None:
    planned = cli.plan(arguments(), {}, {})
    assert planned.stores == {"memory": "memory://", "sqlite": "sqlite://"}
    assert planned.scenarios == ALL
    assert planned.sizes == QUICK


def test_full_has_all_scenarios() -> None:
    planned = cli.plan(arguments("--full"), {}, {})
    assert planned.scenarios == tuple(SCENARIOS)
    assert planned.sizes == FULL


def test_stores_that_are_given_stand_for_none_chosen_and_the_missing_are_kept() -> None:
    missing = {"etcd": "not built"}
    planned = cli.plan(arguments("--smoke"), {"sqlite": "sqlite://"}, missing)
    assert (dict(planned.stores), planned.missing) == ({"sqlite": "sqlite://"}, missing)
    assert planned.sizes == SMOKE


@pytest.mark.parametrize(
    ("text", "name", "url"),
    [
        ("memory", "memory", "memory://"),
        ("sqlite://", "sqlite", "sqlite://"),
        ("postgresql://me@host/base", "postgres", "postgres://me@host/base"),
        (
            "postgres+advisory://me@host/base",
            "postgres+advisory",
            "postgres+advisory://me@host/base",
        ),
        ("etcds://host:2379?ca=file", "etcd", "etcds://host:2379?ca=file"),
        ("consul://:token@host:8500", "consul", "consul://:token@host:8500"),
    ],
)
def test_a_store_is_named_by_its_url(text: str, name: str, url: str) -> None:
    planned = cli.plan(arguments("--store", text, "--scenario", "idle"), {"sqlite": ""}, {})
    assert dict(planned.stores) == {name: url}
    assert planned.scenarios == ("idle",)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--store", "mysql://me:secret@host"], "there is no store 'mysql'; there are memory, "),
        (["--store", "me:secret@host"], "there is no store"),
        (["--store", "postgres"], "--store postgres needs an address, as in postgres://host"),
        (["--store", "postgres://me:secret@host:port"], "this PostgreSQL URL cannot be read"),
        (["--store", "etcd://host:2379?ca=secret"], "--store etcd: "),
        (["--store", "consul://me:secret@"], "--store consul: "),
        (["--store", "sqlite:////secret/file"], "--store sqlite takes no address"),
        (["--store", "memory", "--store", "memory"], "--store memory is given twice"),
        (["--scenario", "camapign"], "there is no scenario 'camapign'; there are campaign, "),
        (["--folder", "/no/such/folder"], "--folder /no/such/folder is no folder"),
        (["--out", "/dev/null/out"], "/dev/null/out"),
        (["--full", "--smoke"], "not allowed with"),
        (["campaign"], "unrecognized arguments"),
    ],
)
def test_a_wrong_command_line_is_one_sentence_and_exit_code_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    if not said.startswith(("there is no store", "/dev")) or "://" in words[1]:
        assert "secret" not in told.rpartition("error:")[2]


def test_every_target_has_the_name_that_it_goes_by() -> None:
    assert [target.name for target in TARGETS.values()] == list(TARGETS)
