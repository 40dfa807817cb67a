"""Figures on the pages that come from the kept results: nobody types a number that a file has."""

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

RESULTS = Path(__file__).parents[2] / "tests" / "benchmarks" / "results"

FORMS = {
    "percent": lambda value: f"{100 * value:.2f} %",
    "1": lambda value: f"{value:.3g}",
}
"""How a number is written, by the name after the last colon."""


def newest(name: str) -> Path:
    """Return the newest kept file of a name, as in ``lengths``.

    Raises
    ------
    LookupError
        If none was kept.
    """
    found = sorted(RESULTS.glob(f"{name}-20*.json"))
    if not found:
        raise LookupError(f"no result of the name {name} was kept")
    return found[-1]


def kept(path: str) -> Any:
    """Return what a kept file has at a path, as in ``lengths/two-class/gpus``."""
    name, *keys = path.split("/")
    value = json.loads(newest(name).read_text(encoding="utf-8"))
    for key in keys:
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


class Kept(SphinxRole):
    """``{kept}`PATH:FORM```: a number of a kept result, written in a form."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return what stands there."""
        path, form = self.text.rsplit("|", 1)
        self.env.note_dependency(newest(path.split("/")[0]))
        return [nodes.inline(text=FORMS[form](kept(path)))], []


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the role."""
    app.add_role("kept", Kept())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
