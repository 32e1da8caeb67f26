"""A figure of matplotlib as inline SVG: text stays text, colours are the page's, and it has a name.

matplotlib writes fixed colours and a font of its own. Each colour here is a stand-in for a variable
of the page's style sheet, which has one value on light ground and another one on dark.
"""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from xml.etree import ElementTree as ET

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

INK, MUTED, GRID, GROUND = "#010101", "#010102", "#010103", "#010104"
HUES: Final = tuple(f"#0102{number:02x}" for number in range(1, 8))
"""The colours of series: --hue-1 to --hue-7 of the page."""
_VARIABLES: Final = {INK: "--ink", MUTED: "--muted", GRID: "--line", GROUND: "--ground"} | {
    hue: f"--hue-{number}" for number, hue in enumerate(HUES, start=1)
}

POINT: Final = 0.75
"""matplotlib counts in points; everything here is given in CSS pixels, of which one is ¾ point."""
_SPACE: Final = "http://www.w3.org/2000/svg"
_LINK: Final = "http://www.w3.org/1999/xlink"
_COLOUR = re.compile(r"#0[0-9a-f]{5}")
_FONT = re.compile(r"(font-family:|font: [^'\";]*?[\d.]+px) [^;]*")
_NUMBER = re.compile(r"\d+\.\d{3,}")


@contextmanager
def drawing() -> Iterator[None]:
    """Have figures drawn so that render() can take them over."""
    with mpl.rc_context(
        {
            "svg.fonttype": "none",
            "text.parse_math": False,  # a $ in a name is no formula
            "font.family": "DejaVu Sans",  # comes with matplotlib, for measuring only
            "text.color": INK,
            "axes.edgecolor": MUTED,
            "axes.labelcolor": INK,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
            "axes.facecolor": "none",
            "figure.facecolor": "none",
        }
    ):
        yield


def render(figure: Figure, name: str, title: str, description: str) -> Markup:
    """Write the figure, within drawing(); `name` is unique on its page.

    Title and description are for those who listen to the page.
    """
    written = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        # Names may have letters that the measuring font lacks; the reader's has its own.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        figure.savefig(written, format="svg", metadata={"Date": None})
    root = ET.fromstring(written.getvalue())
    for part in list(root):
        if part.tag == f"{{{_SPACE}}}metadata":
            root.remove(part)
    _rename(root, name)
    _restyle(root)
    _introduce(root, name, title, description)
    ET.register_namespace("", _SPACE)
    ET.register_namespace("xlink", _LINK)
    return Markup(ET.tostring(root, encoding="unicode"))


def _rename(root: ET.Element, name: str) -> None:
    """Keep the ids that something refers to, under names that no other figure of the page has."""
    text = ET.tostring(root, encoding="unicode")
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    for part in root.iter():
        identity = part.attrib.pop("id", None)
        if identity in used:
            part.set("id", f"{name}-{identity}")
        for key, value in part.attrib.items():
            if key.endswith("href"):
                part.set(key, value.replace("#", f"#{name}-", 1))
            elif "url(#" in value:
                part.set(key, value.replace("url(#", f"url(#{name}-"))


def _restyle(root: ET.Element) -> None:
    """Put the page's colours and font in the place of matplotlib's, and drop digits nobody sees."""
    for part in root.iter():
        for key in ("style", "fill", "stroke"):
            if key in part.attrib:
                value = _FONT.sub(r"\1 var(--sans)", part.attrib[key])
                part.set(key, _COLOUR.sub(_variable, value))
        for key in ("d", "x", "y", "transform", "points"):
            if key in part.attrib:
                part.set(key, _NUMBER.sub(lambda found: f"{float(found[0]):.2f}", part.attrib[key]))


def _variable(found: "re.Match[str]") -> str:
    return f"var({_VARIABLES[found[0]]})" if found[0] in _VARIABLES else found[0]


def _introduce(root: ET.Element, name: str, title: str, description: str) -> None:
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    for place, (kind, text) in enumerate((("title", title), ("desc", description))):
        part = ET.Element(f"{{{_SPACE}}}{kind}", {"id": f"{name}-{kind}"})
        part.text = text
        root.insert(place, part)
