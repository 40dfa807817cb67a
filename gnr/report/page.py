"""The page: the template filled with a reproduction."""

import re
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from gnr import reproduction_words as words
from gnr.atomic import complete_file
from gnr.report.pictures import picture_of
from gnr.report.terms import terms_in
from gnr.reproduction import Reproduction


def prose(text: str) -> Markup:
    """Return a text as HTML, what stands in backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


FILTERS = {
    "bound": words.bound_text,
    "caution": words.caution_text,
    "counted": words.counted,
    "duration": words.duration_text,
    "interval": words.interval_text,
    "name_of": words.name_of,
    "prose": prose,
    "value": words.value_text,
    "with_intervals": words.with_intervals,
}

CLASSES = {
    "confirmed": "good",
    "partly": "mixed",
    "not confirmed": "bad",
    "undecided": "open",
    "yes": "good",
    "no": "bad",
}
"""Classes of the style sheet for findings and for bounds; limits have none."""


def write_report(reproduction: Reproduction, folder: Path) -> Path:
    """Write ``report.html`` into `folder` and return its path.

    The page loads nothing from elsewhere and runs no program; the same reproduction gives the same
    bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    with complete_file(path) as temporary:
        temporary.write_text(page_of(reproduction), encoding="utf-8")
    return path


def page_of(reproduction: Reproduction) -> str:
    """Return the page about a reproduction as HTML."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= FILTERS
    page = environment.from_string(_read("report.html.jinja")).render(
        found=reproduction,
        claims=[claim for each in reproduction.experiments for claim in each.claims],
        failing=words.with_finding(reproduction, "not confirmed", "partly"),
        unsettled=words.with_finding(reproduction, "undecided"),
        pictures={
            each.name: [picture_of(panel) for panel in each.panels]
            for each in reproduction.experiments
        },
        terms=terms_in(" ".join(each.model_dump_json() for each in reproduction.experiments)),
        command=words.command_of(reproduction),
        marks=words.MARKS,
        met_marks=words.MARK_OF_MET,
        in_place=words.IN_PLACE,
        classes=CLASSES,
        style=Markup(_read("report.css")),
    )
    return page.lstrip()


def _read(name: str) -> str:
    return (resources.files("gnr.report") / name).read_text(encoding="utf-8")
