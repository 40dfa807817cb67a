"""What the statistical suite says of itself, read from where it is decided."""

import importlib.util
from pathlib import Path
from types import ModuleType

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

SUITE = Path(__file__).parents[2] / "tests" / "statistical" / "checks.py"


def suite() -> ModuleType:
    """Return the module of the checks, which belongs to no package."""
    spec = importlib.util.spec_from_file_location("statistical_checks", SUITE)
    if spec is None or spec.loader is None:
        raise LookupError(f"no module at {SUITE}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Checks(SphinxRole):
    """``{checks}`NAME```: a number that the suite defines."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the number; one that is not there ends the build."""
        self.env.note_dependency(SUITE)
        return [nodes.inline(text=f"{vars(suite())[self.text]:.3g}")], []


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the role."""
    app.add_role("checks", Checks())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
