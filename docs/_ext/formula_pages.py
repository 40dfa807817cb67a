"""The formulation: what stands in the docstrings of the constraints, objectives and indicators."""

import inspect
from importlib import import_module
from types import ModuleType

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from gnr.slis import INDICATORS
from gnr.slis.indicator import Indicator


def published(module: ModuleType) -> list[tuple[str, str]]:
    """Return name and docstring of the public functions that a module defines, in its order."""
    return [
        (name, inspect.getdoc(one) or "")
        for name, one in vars(module).items()
        if inspect.isfunction(one) and one.__module__ == module.__name__ and name[0] != "_"
    ]


class Formulas(SphinxDirective):
    """``formulas:: MODULE``: a section for every function of the module, with its docstring."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return what stands there."""
        module = import_module(self.arguments[0])
        return [section(self, name, name, doc) for name, doc in published(module)]


class Indicators(SphinxDirective):
    """``indicators``: a section for every kind of promise, with its form and what it allows."""

    def run(self) -> list[nodes.Node]:
        """Return what stands there."""
        return [
            section(self, kind, f"promise-{kind}", _words(one)) for kind, one in INDICATORS.items()
        ]


def _words(one: Indicator) -> str:
    bounds = " or ".join(f"``{each}``" for each in one.directions)
    scopes = {"cluster": "of the whole cluster", "class": "of one class"}
    about = " or ".join(scopes[each] for each in one.scopes)
    return (
        f"{one.title[0].upper()}{one.title[1:]} ({one.source}). Unit: {one.unit}. "
        f"Promised {bounds}, {about}.\n\n{inspect.getdoc(one.form)}"
    )


def section(directive: SphinxDirective, name: str, target: str, text: str) -> nodes.section:
    """Return a section with the text, parsed as reStructuredText."""
    made = nodes.section(ids=[nodes.make_id(target)], names=[target])
    directive.state.document.note_explicit_target(made)
    made += nodes.title("", "", nodes.literal(text=name))
    lines = StringList(text.splitlines(), source=name)
    directive.state.nested_parse(lines, 0, made)
    return made


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives."""
    app.add_directive("formulas", Formulas)
    app.add_directive("indicators", Indicators)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
