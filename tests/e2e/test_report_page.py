"""The comparison's report in a browser: it fits, it can be read, and it asks for nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from incumbent_compare import report
from tests.browsers import chromium
from tests.compared import compared

WIDTHS = (1280, 390)
# CSS pixels. Text of plots is scaled with them.
LEGIBLE = 10.0
CONTRAST = 4.5  # of text on its ground, as WCAG AA wants it

# What is drawn: the plots that are shown, the texts in them, and where they are.
DRAWN = """() => [...document.querySelectorAll('svg')].flatMap(svg => {
    const frame = svg.getBoundingClientRect();
    if (!frame.width) return [];
    const scale = svg.getScreenCTM().a;
    const box = r => ({left: r.left, right: r.right, top: r.top, bottom: r.bottom});
    return [{
        title: svg.querySelector('title').textContent,
        frame: box(frame),
        marks: svg.querySelectorAll('path, use').length,
        texts: [...svg.querySelectorAll('text')].map(text => ({
            said: text.textContent,
            size: parseFloat(getComputedStyle(text).fontSize) * scale,
            ...box(text.getBoundingClientRect()),
        })),
    }];
})"""
# Whatever is wider than the window, where no box around it scrolls.
WIDER = """() => [...document.querySelectorAll('body *')].filter(one =>
    one.getBoundingClientRect().right > innerWidth + 0.5 && !one.closest('.box')
).map(one => one.outerHTML.slice(0, 200))"""
# The contrast of each kind of text with what is behind it.
CONTRASTS = """() => {
    const parts = colour => colour.match(/[\\d.]+/g).map(Number);
    const luminance = colour => parts(colour).slice(0, 3).map(part => part / 255).map(
        part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    ).reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
    const ground = one => {
        const colour = getComputedStyle(one).backgroundColor;
        return parts(colour)[3] === 0 ? ground(one.parentElement) : colour;
    };
    const found = {};
    for (const kind of ['p', 'th', 'a', '.small', '.warning', '.met', '.missed', 'svg text']) {
        for (const one of document.querySelectorAll(kind)) {
            const style = getComputedStyle(one);
            const [dark, light] = [ground(one), kind === 'svg text' ? style.fill : style.color]
                .map(luminance).sort((a, b) => a - b);
            found[kind] = Math.min(found[kind] ?? 21, (light + 0.05) / (dark + 0.05));
        }
    }
    return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    page, _ = report.write(compared(), tmp_path_factory.mktemp("report"))
    return page.as_uri()


@pytest.fixture(scope="module", params=WIDTHS)
def page(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Page]:
    """The page as it is at this width; it said nothing on the console and fetched nothing else."""
    said: list[str] = []
    fetched: list[str] = []
    page = browser.new_page(viewport={"width": request.param, "height": 900})
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda asked: fetched.append(asked.url))
    page.goto(address)
    yield page
    page.close()
    assert said == []
    assert fetched == [address]


def drawn(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate(DRAWN)
    return found


def test_it_fits_the_window(page: Page) -> None:
    assert page.title() == "Incumbent: which store for whom"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(WIDER) == []


def test_each_plot_is_there_once_and_within_the_window(page: Page) -> None:
    width = page.evaluate("innerWidth")
    plots = drawn(page)
    assert len(plots) == page.locator("figure").count() > 8
    for plot in plots:
        frame = plot["frame"]
        assert 0 <= frame["left"] < frame["right"] <= width, plot["title"]
        assert frame["right"] - frame["left"] > 300, plot["title"]
        assert plot["marks"] > 5, plot["title"]
    assert page.get_by_role("img", name="resign to LEADING").count() == 1


def test_text_in_plots_can_be_read(page: Page) -> None:
    for plot in drawn(page):
        for text in plot["texts"]:
            assert text["size"] >= LEGIBLE, (plot["title"], text)


def test_text_in_plots_stays_within_and_covers_no_other(page: Page) -> None:
    for plot in drawn(page):
        frame, texts = plot["frame"], plot["texts"]
        for text in texts:
            assert text["left"] >= frame["left"] - 8, (plot["title"], text)
            assert text["right"] <= frame["right"] + 8, (plot["title"], text)
        for place, text in enumerate(texts):
            covered = [other["said"] for other in texts[:place] if overlap(text, other)]
            assert not covered, (plot["title"], text["said"], covered)


def overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    """Whether they share more than the edges of their lines."""
    across = min(one["right"], other["right"]) - max(one["left"], other["left"])
    down = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
    return across > 1 and down > 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_on_light_and_on_dark_ground(
    scheme: str, browser: Browser, address: str
) -> None:
    page = browser.new_page(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(address)
    found: dict[str, float] = page.evaluate(CONTRASTS)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.close()
    assert ground == ("rgb(20, 23, 27)" if scheme == "dark" else "rgb(255, 255, 255)")
    assert len(found) == 8
    assert {kind: ratio for kind, ratio in found.items() if ratio < CONTRAST} == {}


def test_a_missing_browser_fails_and_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Exception, match="install Debian's package chromium"), chromium():
        pass
