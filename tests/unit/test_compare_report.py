"""The report of the comparison: its files, whatever a run holds."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from incumbent_backends.registry import known_schemes
from incumbent_compare import report
from incumbent_compare.report.stores import store
from incumbent_compare.results import Cost, Missing, Quantity, Run, Way
from tests.compared import compared, run, series

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a|b ``` *c* [d](https://e.example) <!-- $\\frac{1}{0}$ {{ 7 * 7 }} {% raw %}",
    "]]></text></svg>&lt;&#60;",
    "nul \x00, bell \x07, \ud800, \u202egnirts\u202c, \ufffe",
    "line\nfeed\r\n\n# heading\n- item",
    "a very long name " * 40,
    "漢字 🎉 é",
)


class Reader(HTMLParser):
    """What a browser would make of a page: tags, ids, attributes, text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links |= {value or "" for name, value in attrs if name.endswith(("href", "src"))}

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def written(of: Run, folder: Path) -> tuple[str, str]:
    """The page and the Markdown."""
    page, text = report.write(of, folder)
    return page.read_text(), text.read_text()


def quantity(*samples: float, name: str = "time", unit: str = "ms") -> Quantity:
    return Quantity(name=name, unit=unit, repetitions=(samples,))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A run of everything."""
    return written(compared(), tmp_path_factory.mktemp("report"))


def drawings(page: str) -> Iterator[ET.Element]:
    for found in re.finditer(r"<svg .*?</svg>", page, re.DOTALL):
        yield ET.fromstring(found[0])


def test_both_files_are_made_with_their_folder(tmp_path: Path) -> None:
    paths = report.write(run(), tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["20261124T180000Z.html", "20261124T180000Z.md"]
    assert all(path.parent == tmp_path / "new" / "folder" for path in paths)


def test_it_is_made_again_from_the_raw_file(tmp_path: Path) -> None:
    of = run(series("handover", "etcd", Way.GATEWAY, "gateway", quantity(1.0)))
    file = tmp_path / "run.json"
    file.write_text(of.model_dump_json())
    first = written(of, tmp_path / "first")
    assert [path.parent for path in report.again(file)] == [tmp_path, tmp_path]
    assert [path.read_text() for path in report.again(file, tmp_path / "again")] == list(first)


def test_a_file_that_is_no_run_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text('{"format": 2}')
    with pytest.raises(ValueError, match="format"):
        report.again(file)


def test_the_answer_comes_first_with_the_figures_of_the_run(whole: tuple[str, str]) -> None:
    page = read(whole[0])
    assert page.text.index("Which store for whom") < page.text.index("Entering a vacant election")
    for name in ("SQLite", "PostgreSQL, lease rows", "PostgreSQL, advisory locks", "Consul"):
        assert name in page.text
        assert f"### {name}" in whole[1]
    assert "≤ 20.5\xa0s at a ttl of 10\xa0s" in page.text
    assert "Failover, a client killed, RELEASE: the stores cannot be told apart" in page.text
    assert "Hand-over without a gateway, on the same server" in page.text
    assert re.search(r"\d+ of 41 goals met", page.text)
    assert "it was stopped" in page.text


def test_the_page_needs_nothing_from_elsewhere_and_runs_no_script(whole: tuple[str, str]) -> None:
    page = read(whole[0])
    assert "script" not in page.tags
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert "@import" not in whole[0]
    assert not re.search(r"url\((?!#)", whole[0])


def test_what_is_linked_is_there_once(whole: tuple[str, str]) -> None:
    page = read(whole[0])
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_a_plot_is_named_described_and_made_of_text(whole: tuple[str, str]) -> None:
    found = list(drawings(whole[0]))
    assert len(found) > 10
    for drawing in found:
        title, description = list(drawing)[:2]
        assert drawing.get("role") == "img"
        assert drawing.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
        assert title.text
        assert description.text
        assert len(list(drawing.iter("{http://www.w3.org/2000/svg}text"))) > 5
    assert "DejaVu" not in whole[0]
    assert "#0101" not in whole[0]
    assert "#0102" not in whole[0]


def test_lines_are_drawn_where_one_number_grows(whole: tuple[str, str]) -> None:
    heads = [[part.text or "" for part in list(drawing)[:2]] for drawing in drawings(whole[0])]
    titles = dict(heads)
    assert "etcd · gateway, half-closed:" in titles["CPU of the gateway, % of a core"]
    assert "from 1000 to 20000 terms" in titles["CPU of the gateway, % of a core"]
    assert "Consul: " in titles["change to the last receiver"]
    assert "terms lost, terms" not in titles  # nothing to see


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_text_of_a_run_is_text_on_the_page(text: str, tmp_path: Path) -> None:
    of = run(
        series(text, text, Way.GATEWAY, text, quantity(1, 2, name=text, unit=text), remarks=[text]),
        series(text, text, Way.GATEWAY, text, parameters={text: text}),
        series(text, text, Way.DIRECT, text, parameters={text: 2}),
        series("handover", text, Way.GATEWAY, text, quantity(1, 2)),
        missing=[Missing(scenario=text, store=text, why=text)],
    )
    of = of.model_copy(update={"machine": {text: text}, "versions": {text: text}})
    html, markdown = written(of, tmp_path)
    page = read(html)
    assert not {"script", "img"} & set(page.tags)
    assert not {name for name in page.attributes if name.startswith("on")}
    assert len(list(drawings(html))) == 4  # two scenarios, each wide and narrow
    assert all(ord(one) >= 0x20 or one == "\n" for one in html + markdown)
    shown = " ".join(page.text.split())
    if text.isprintable():
        assert " ".join(text.split()) in shown
        assert "49" not in shown
    _is_sound(markdown)
    assert f"\n{text[:1]}" not in markdown


def _is_sound(markdown: str) -> None:
    """No HTML, no link, and as many cells in each row of a table as in its head."""
    assert not re.search(r"<[a-z/!]|(?<!\\)\]\(|://", markdown)
    for table in re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_markdown_of_everything_is_sound(whole: tuple[str, str]) -> None:
    _is_sound(whole[1])
    assert "\n\n\n" not in whole[1]


def test_an_empty_run_says_so(tmp_path: Path) -> None:
    for text in written(run(full=False), tmp_path):
        assert "measured no store" in text
        assert "A quick run" in text
        assert "Nothing that was asked for" in text


def test_what_could_not_be_measured_is_told(tmp_path: Path) -> None:
    of = run(missing=[Missing(scenario="handover", store="etcd", why="no etcd answers there")])
    page, markdown = written(of, tmp_path)
    for text in (page, markdown):
        assert "no etcd answers there" in text
        assert "Hand-over" in text
    assert not list(drawings(page))


def test_unknown_names_get_a_table_and_a_plot(tmp_path: Path) -> None:
    of = run(
        series("siege", "zookeeper", Way.GATEWAY, "gateway", quantity(1, 2, 3)),
        series("siege", "zookeeper", Way.DIRECT, "recipe", quantity(4, 5, 6)),
        series("handover", "zookeeper", Way.GATEWAY, "gateway", quantity(8, 9)),
    )
    page, markdown = written(of, tmp_path)
    for text in (page, markdown):
        assert "siege" in text
        assert "not known here" in text
        assert "2\xa0ms" in text
        assert "8.50\xa0ms" in text
    assert len(list(drawings(page))) == 4


def test_a_series_of_costs_alone(tmp_path: Path) -> None:
    cost = Cost(operations=100, client=0.1, gateway=0.02, store=None, requests=250)
    page, markdown = written(run(series("idle", "etcd", Way.GATEWAY, "g", cost=cost)), tmp_path)
    assert "200\xa0µs" in page
    assert "| 1\xa0ms | 200\xa0µs | – | 2.50 | – |" in markdown


def test_a_cost_of_no_operation_is_none(tmp_path: Path) -> None:
    cost = Cost(operations=0, client=0.1, gateway=0.1, store=0.1, requests=3)
    _, markdown = written(run(series("idle", "etcd", Way.GATEWAY, "g", cost=cost)), tmp_path)
    assert "| – | – | – | – | – |\n" in markdown


@pytest.mark.parametrize("samples", [(1.0,), (0.0, 0.0), (-1.0, 2.0), (1e-9, 1e9), (5.0, 5.0)])
@pytest.mark.parametrize("unit", ["ms", "kB a term"])
def test_odd_samples(samples: tuple[float, ...], unit: str, tmp_path: Path) -> None:
    first = series(
        "failover", "etcd", Way.GATEWAY, "g", quantity(*samples, unit=unit), parameters={"terms": 1}
    )
    more = series(
        "failover", "etcd", Way.GATEWAY, "g", quantity(*samples, unit=unit), parameters={"terms": 9}
    )
    assert "g" in read(written(run(first), tmp_path)[0]).text
    assert len(list(drawings(written(run(first, more), tmp_path)[0]))) in (0, 1, 2)


def test_samples_that_are_no_number_are_left_out(tmp_path: Path) -> None:
    lost = Quantity(name="lost", unit="ms", repetitions=((float("nan"),), ()))
    kept = Quantity(name="kept", unit="ms", repetitions=((float("inf"), 3.0), (4.0,)))
    of = run(series("handover", "etcd", Way.GATEWAY, "g", lost, kept))
    page, markdown = written(of, tmp_path)
    assert "lost: no sample" in markdown
    assert "3 – 4\xa0ms" in markdown
    assert "nan" not in read(page).text


def test_more_rows_than_a_plot_has_room_for(tmp_path: Path) -> None:
    of = run(*(series("x", "etcd", Way.DIRECT, f"peer {n}", quantity(n + 1)) for n in range(99)))
    page, _ = written(of, tmp_path)
    assert "the first 60 rows of 99" in page
    assert "peer 98" in page


def test_other_work_on_the_machine_is_told(tmp_path: Path) -> None:
    assert "did other work: its load was 1.4 on 2 cores" in written(run(), tmp_path)[0]
    idle: list[dict[str, Any]] = [{"load": 0.2}, {"machine": {"cores": "64"}}, {"machine": {}}]
    for update in idle:
        assert "did other work" not in written(run().model_copy(update=update), tmp_path)[0]


def test_every_driver_has_its_words() -> None:
    for scheme in known_schemes():
        known = store(scheme)
        assert known.promise is not None, scheme
        assert known.short != "not known here"
    assert store("postgres").promise != store("postgres+advisory").promise
    assert store("postgresql").title == store("postgres").title
