"""Figures on the pages that come from the kept results: nobody types a number that a file has."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

RESULTS = Path(__file__).parents[2] / "tests" / "benchmarks" / "results"

NARROW = "\u202f"
"""Between a number and its unit: a space at which no line breaks."""

FORMS: Mapping[str, Callable[[Any], str]] = MappingProxyType(
    {
        "percent": lambda value: f"{100 * value:.2f}{NARROW}%",
        "percent1": lambda value: f"{100 * value:.1f}{NARROW}%",
        "number": lambda value: f"{value:,.4g}",
        "size": lambda value: f"{float(f'{value:.2g}'):,.0f}",
        "seconds": lambda value: f"{value:.3g}{NARROW}s",
        "text": str,
    }
)
"""How a number is written, by its name."""


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
    return inside(json.loads(newest(name).read_text(encoding="utf-8")), keys)


def inside(value: Any, keys: list[str]) -> Any:
    """Return what a document has at a path of keys."""
    for key in keys:
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def written(path: str, form: str) -> str:
    """Return a number of a kept file in a form.

    Raises
    ------
    LookupError
        If the file, the place or the form is not there.
    """
    return FORMS[form](kept(path))


class Kept(SphinxRole):
    """``{kept}`PATH as FORM```: a number of a kept result, written in a form."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the number; one that is not there ends the build."""
        path, form = self.text.rsplit(" as ", 1)
        self.env.note_dependency(newest(path.split("/")[0]))
        return [nodes.inline(text=written(path, form))], []


def apart(one: str, other: str) -> str:
    """Return by how much one kept number is off another, as a share of that."""
    return f"{kept(one) / kept(other) - 1:+.1%}".replace("%", f"{NARROW}%")


class Apart(SphinxRole):
    """``{apart}`PATH over PATH```: by how much one kept number is off another."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the share; a number that is not there ends the build."""
        one, other = self.text.split(" over ")
        return [nodes.inline(text=apart(one, other))], []


class KeptTable(SphinxDirective):
    """``kept-table:: PATH``: a row for every key there; the lines are ``HEADER = PATH as FORM``.

    The first line is the header of the keys alone.
    """

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the table; a number that is not there ends the build."""
        path = self.arguments[0]
        self.env.note_dependency(newest(path.split("/")[0]))
        first, *columns = [line for line in self.content if line.strip()]
        heads = [first, *(line.split(" = ")[0] for line in columns)]
        rows = [
            [key, *(self._cell(value, line.split(" = ")[1]) for line in columns)]
            for key, value in kept(path).items()
        ]
        return [table_of(heads, rows)]

    def _cell(self, value: Any, place: str) -> str:
        keys, form = place.rsplit(" as ", 1)
        return FORMS[form](inside(value, keys.split("/")))


def table_of(heads: list[str], rows: list[list[str]]) -> nodes.table:
    """Return a table of plain cells."""
    group = nodes.tgroup(cols=len(heads))
    group += [nodes.colspec(colwidth=1) for _ in heads]
    head, body = nodes.thead(), nodes.tbody()
    head += _row(heads)
    body += [_row(cells) for cells in rows]
    group += [head, body]
    return nodes.table("", group)


def _row(cells: list[str]) -> nodes.row:
    row = nodes.row()
    row += [nodes.entry("", nodes.paragraph(text=cell)) for cell in cells]
    return row


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the role and the directive."""
    app.add_role("kept", Kept())
    app.add_role("apart", Apart())
    app.add_directive("kept-table", KeptTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
