"""The page and the Markdown file: what they are made of, and the templates that write them."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from incumbent_compare.report.answer import Figure, answers, cost_of, findings, goals, missed
from incumbent_compare.report.numbers import NONE, amount
from incumbent_compare.report.scenarios import scenarios
from incumbent_compare.report.stores import store
from incumbent_compare.report.words import method, title
from incumbent_compare.results import Missing, Run

BUSY = 0.5
"""From this load for each core on, the page says that the machine did other work."""
_MARKED = re.compile(r"[\\`*_\[\]{}|#~!<>&@]|://")


def html(run: Run) -> str:
    """The page: one file, no script, nothing to fetch."""
    page = _environment(autoescape=True).get_template("page.html.jinja")
    return page.render(_said(run), listed=_listed)


def markdown(run: Run, html: str) -> str:
    """The same in Markdown, without the plots, which the file `html` has."""
    page = _environment(autoescape=False).get_template("page.md.jinja")
    return re.sub(r"\n{3,}", "\n\n", page.render(_said(run), html=Markup(html), listed=_in_a_row))


def _environment(*, autoescape: bool) -> Environment:
    return Environment(
        loader=PackageLoader("incumbent_compare.report"),
        autoescape=autoescape,
        # Markdown has an escaping of its own, for every expression alike.
        finalize=None if autoescape else marked,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def marked(value: object) -> object:
    """Take its meaning in Markdown, and in HTML within it, from a text."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return _MARKED.sub(_harmless, value)
    return value


def _harmless(found: "re.Match[str]") -> str:
    # The pipe is a cell's end even where a backslash stands before it in some readers.
    entities = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "@": "&#64;", "|": "&#124;"}
    return "&#58;//" if found[0] == "://" else entities.get(found[0], f"\\{found[0]}")


def _listed(figures: Sequence[Figure], *, ranges: bool = True) -> Markup:
    """Figures one below the other."""
    line = Markup("<span><b>{}</b> <span class=small>{} {}</span></span>")
    lines = [line.format(one.median, one.range if ranges else "", one.label) for one in figures]
    return Markup('<div class="figures">{}</div>').format(Markup().join(lines or [NONE]))


def _in_a_row(figures: Sequence[Figure], *, ranges: bool = True) -> str:
    said = (
        ": ".join(filter(None, [one.label, one.text if ranges else one.median])) for one in figures
    )
    return "; ".join(said) or NONE


def _said(run: Run) -> Mapping[str, Any]:
    all_goals = goals(run)
    return {
        "run": run,
        "began": f"{run.began:%d %B %Y, %H:%M} {run.began.tzname() or ''}".strip(),
        "took": _took(run.seconds),
        "warnings": _warnings(run),
        "answers": answers(run),
        "cost_of": title(cost_of(run)).lower(),
        "findings": list(findings(run)),
        "goals": all_goals,
        "met": sum(goal.met is True for goal in all_goals),
        "missed": list(missed(all_goals)),
        "scenarios": list(scenarios(run)),
        "method": method(),
        "missing": [
            Missing(scenario=title(one.scenario), store=store(one.store).title, why=one.why)
            for one in run.missing
        ],
    }


def _took(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else amount(seconds, "s")


def _warnings(run: Run) -> list[str]:
    said = []
    if not run.full:
        said.append(
            "A quick run: few repetitions of small scenarios. It shows orders of magnitude;"
            " for a decision use a full run."
        )
    cores = _cores(run.machine)
    if cores and run.load / cores >= BUSY:
        said.append(
            f"The machine did other work: its load was {run.load:.1f} on {cores} cores before the"
            " run. Ratios between what ran in turn hold better than the figures themselves."
        )
    return said


def _cores(machine: Mapping[str, str]) -> int | None:
    for name, value in machine.items():
        number = re.search(r"\d+", value)
        if "core" in name.lower() and number:
            return int(number[0])
    return None


def write_both(run: Run, folder: Path) -> list[Path]:
    """Write both files into the folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{run.began.astimezone(UTC):%Y%m%dT%H%M%SZ}"  # as that of the raw JSON
    page = f"{name}.html"
    written = {page: html(run), f"{name}.md": markdown(run, page)}
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in written]
