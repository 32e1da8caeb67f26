"""The report of the comparison: how numbers are said, goals judged, and series told apart."""

import itertools
import math
import operator
import re
from importlib.resources import files

import pytest

from incumbent_compare.report.answer import findings, missed
from incumbent_compare.report.answer import goals as goals_of
from incumbent_compare.report.figures import stats, verdicts
from incumbent_compare.report.labels import labels
from incumbent_compare.report.numbers import amount, spread, tick
from incumbent_compare.report.plots import SHOWN, thinned
from incumbent_compare.results import Goal, Quantity, Series, Way
from tests.compared import run, series

STYLE = files("incumbent_compare.report") / "templates/page.css"
PERCENT = Goal(statistic="p50", at_least=True, bound=0.7, over="floor")


def quantity(
    *repetitions: tuple[float, ...], unit: str = "ms", goal: Goal | None = None
) -> Quantity:
    return Quantity(name="time", unit=unit, repetitions=repetitions, goal=goal)


def gateway(*quantities: Quantity, store: str = "etcd", **parameters: float | str) -> Series:
    return series("x", store, Way.GATEWAY, "gateway", *quantities, parameters=parameters)


def floor(*quantities: Quantity, store: str = "etcd", **parameters: float | str) -> Series:
    return series("x", store, Way.FLOOR, "floor", *quantities, parameters=parameters)


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (6.314, "ms", "6.31 ms"),
        (8.04, "ms", "8.04 ms"),
        (15_008.0, "ms", "15.0 s"),
        (0.018, "s", "18 ms"),
        (0.0000004, "s", "0.4 µs"),
        (999.97, "ms", "1.00 s"),
        (177.0, "µs each", "177 µs each"),
        (1770.0, "µs each", "1.77 ms each"),
        (4066.4, "a second", "4,066 a second"),
        (4066.4, "/s", "4,066/s"),
        (33.42, "kB a term", "33.4 kB a term"),
        (4.96, "% of a core", "4.96% of a core"),
        (2.0, "", "2"),
        (0.000123, "", "0.000123"),
        (0.0, "ms", "0 ms"),
        (-3.5, "ms", "-3.50 ms"),
    ],
)
def test_amounts(value: float, unit: str, said: str) -> None:
    assert amount(value, unit).replace("\xa0", " ") == said


def test_a_spread_says_its_unit_once_where_it_can() -> None:
    assert spread(5.1, 6.82, "ms").replace("\xa0", " ") == "5.10 – 6.82 ms"
    assert spread(0.5, 6.82, "ms").replace("\xa0", " ") == "500 µs – 6.82 ms"


def test_ticks() -> None:
    assert [tick(value, "ms") for value in (0, 0.5, 10, 3e4)] == [
        "0", "500\xa0µs", "10\xa0ms", "30\xa0s",
    ]  # fmt: skip
    assert [tick(value, "kB") for value in (0, 0.25, 1500, 20_000)] == ["0", "0.25", "1,500", "20k"]


def test_the_tail_of_few_samples_is_the_largest_and_is_called_so() -> None:
    few, many = quantity((1.0, 2.0, 9.0)), quantity(tuple(float(n) for n in range(1, 101)))
    assert stats(few).tail == "most 9\xa0ms"
    assert stats(many).tail == "99\xa0ms"
    assert (stats(few).samples, stats(few).range) == ("1 × 3", "–")


def test_one_sample() -> None:
    one = stats(quantity((4.0,)))
    assert (one.median, one.range, one.tail, one.samples) == ("4\xa0ms", "–", "–", "1 × 1")


def test_a_median_lies_within_the_range_of_medians() -> None:
    found = stats(quantity((3.0, 5.28), (3.81, 29.19)))
    assert (found.median, found.range) == ("4.54\xa0ms", "4.14 – 16.5\xa0ms")
    assert stats(quantity((2.0,), (2.0,))).range == "2\xa0ms"


def test_the_range_is_that_of_the_medians_of_repetitions() -> None:
    found = stats(quantity((1.0, 2.0, 90.0), (3.0, 4.0)))
    assert (found.range, found.samples) == ("2 – 3.50\xa0ms", "5 in 2")


def judged(*all_series: Series) -> list[tuple[bool | None, str, str]]:
    """The verdicts of the first series' first quantity."""
    one, of = all_series[0], run(*all_series)
    found = verdicts(one.quantities[0], one, of)
    return [(each.met, each.goal, each.found.replace("\xa0", " ")) for each in found]


def test_a_goal_is_met_at_its_bound() -> None:
    goal = Goal(statistic="p50", bound=10)
    assert judged(gateway(quantity((10.0,), goal=goal))) == [
        (True, "median ≤ 10\xa0ms", "met: 10 ms")
    ]
    assert judged(gateway(quantity((12.5,), goal=goal)))[0][2] == "missed by 2.50 ms (25%): 12.5 ms"


def test_a_goal_of_nothing() -> None:
    lost = quantity((0.0, 3.0), unit="terms", goal=Goal(statistic="max", bound=0))
    assert judged(gateway(lost)) == [(False, "largest ≤ 0", "missed by 3: 3")]


def test_a_ratio_is_taken_within_each_repetition_first() -> None:
    # A busy second repetition slows both; the ratio of all medians would be another one.
    ours = quantity((80.0,), (8.0,), (80.0,), unit="/s", goal=PERCENT)
    theirs = quantity((100.0,), (10.0,), (100.0,), unit="/s")
    assert judged(gateway(ours), floor(theirs)) == [(True, "median ≥ 70% of floor", "met: 80%")]


def test_a_ratio_that_is_missed() -> None:
    ours, theirs = quantity((6.0,), goal=PERCENT), quantity((10.0,))
    assert judged(gateway(ours), floor(theirs))[0][2] == "missed by 10.0 points: 60%"
    twice = Goal(statistic="p50", bound=2, over="floor")
    said = judged(gateway(quantity((30.0,), goal=twice)), floor(theirs))
    assert said == [(False, "median ≤ 2\xa0× the floor", "missed by 50%: 3 ×")]


def test_the_peer_is_the_one_of_this_store_and_these_settings() -> None:
    ours = gateway(quantity((8.0,), goal=PERCENT), streams=50)
    others = [
        floor(quantity((1.0,)), streams=500),
        floor(quantity((1.0,)), store="consul", streams=50),
        floor(quantity((10.0,)), streams=50),
    ]
    assert judged(ours, *others)[0][2] == "met: 80%"


@pytest.mark.parametrize(
    "peers", [[], [floor(quantity((0.0,)))], [floor(quantity((1.0,), unit="s"))]]
)
def test_without_a_peer_nothing_is_judged(peers: list[Series]) -> None:
    (met, goal, found), *_ = judged(gateway(quantity((8.0,), goal=PERCENT)), *peers)
    assert (met, goal) == (None, "median ≥ 70% of floor")
    assert found == "not judged: nothing of floor to compare"


def test_several_goals_of_one_quantity() -> None:
    both = quantity((8.0, 9.0), goal=Goal(statistic="p50", bound=10)).model_copy(
        update={"further": (Goal(statistic="p99", bound=5),)}
    )
    assert [met for met, _, _ in judged(gateway(both))] == [True, False]
    (what, goal, whose), *_ = missed(goals_of(run(gateway(both), gateway(both, store="consul"))))
    assert (what, goal) == ("x, gateway, time", "p99, here the largest, ≤ 5\xa0ms")
    assert [one.store for one in whose] == ["etcd", "Consul"]


def test_settings_are_said_only_where_titles_do_not_tell() -> None:
    one = series("x", "etcd", Way.GATEWAY, "gateway", parameters={"streams": 50, "ttl": 10})
    two = series("x", "etcd", Way.GATEWAY, "gateway", parameters={"streams": 1, "ttl": 10})
    found = labels([one, two])
    assert found.shared == {"ttl": 10}
    assert [found.of(one), found.of(two)] == ["gateway, 50 streams", "gateway, 1 stream"]
    assert labels([one]).of(one) == "gateway"


def test_a_line_is_what_differs_in_nothing_but_the_number() -> None:
    every = [
        series(
            "x",
            "etcd",
            Way.GATEWAY,
            f"gateway, {terms:,} terms, {kind}",
            parameters={"terms": terms, "kind": kind},
        )
        for kind in ("heartbeats", "half-closed")
        for terms in (1, 1_000, 21_000)
    ]
    found = labels(every)
    assert found.swept(every) == "terms"
    assert {found.line(one, "terms")[1] for one in every} == {
        "gateway, heartbeats", "gateway, half-closed",
    }  # fmt: skip


def test_two_numbers_that_grow_make_no_line() -> None:
    every = [gateway(streams=n, connections=n) for n in (1, 2)]
    assert labels(every).swept(every) is None
    assert labels([gateway(streams=1)]).swept([gateway(streams=1)]) is None


def test_who_is_quickest_and_who_cannot_be_told_from_it() -> None:
    def took(store: str, *medians: float) -> Series:
        return series(
            "handover", store, Way.GATEWAY, "g", quantity(*((median,) for median in medians))
        )

    slow, quick, close = took("etcd", 9, 10), took("sqlite", 1, 3), took("postgres", 2.5, 4)
    (said,) = findings(run(slow, quick, close, took("memory", 0.1, 0.1)))
    assert said.replace("\xa0", " ") == (
        "Hand-over: quickest on SQLite, 2 ms; not to be told from it, as the repetitions overlap:"
        " PostgreSQL, lease rows (3.25 ms); slowest on etcd, 9.50 ms."
    )
    (said,) = findings(run(quick, close))
    assert "the stores cannot be told apart" in said


def test_samples_are_thinned_by_rank_and_keep_their_ends() -> None:
    samples = [float(number) for number in range(1000)]
    shown = thinned(samples)
    assert (len(shown), shown[0], shown[-1]) == (SHOWN, 0.0, 999.0)
    assert thinned(samples[:SHOWN]) == samples[:SHOWN]


# How colours are seen without red and without green cones, in linear RGB (Machado et al., 2009).
SEEN = (
    ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
)
# From linear RGB to XYZ, on a scale on which white is 1.
XYZ = ((0.4339, 0.3762, 0.1899), (0.2126, 0.7152, 0.0722), (0.0177, 0.1095, 0.8728))
Triple = tuple[float, ...]


def _times(matrix: tuple[Triple, ...], colour: Triple) -> Triple:
    return tuple(sum(map(operator.mul, row, colour)) for row in matrix)


def _lab(colour: str, seen: tuple[Triple, ...]) -> Triple:
    """Where a colour lies in CIELAB, for eyes that see so."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = tuple(p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    inside = tuple(min(1.0, max(0.0, part)) for part in _times(seen, linear))
    x, y, z = (max(part, 1e-6) ** (1 / 3) for part in _times(XYZ, inside))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def test_the_colours_of_stores_differ_for_all_eyes() -> None:
    hues = re.findall(r"--hue-[1-6]: #(\w{6});", STYLE.read_text())
    for colours in (hues[:6], hues[6:]):
        assert len(colours) == 6
        for seen, pair in itertools.product(SEEN, itertools.combinations(colours, 2)):
            # 2.3 can just be told apart side by side; marks are small and lie apart.
            assert math.dist(*(_lab(one, seen) for one in pair)) > 15, pair
