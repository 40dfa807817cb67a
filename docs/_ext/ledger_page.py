"""The proof ledger as a page: `proofs/LEDGER.md`, which `make ledger` writes."""

import re
from pathlib import Path

from sphinx.application import Sphinx

LEDGER = Path(__file__).parents[2] / "proofs" / "LEDGER.md"


def _add_ledger(app: Sphinx, page: str, source: list[str]) -> None:
    if page != "ledger":
        return
    text = LEDGER.read_text(encoding="utf-8").split("\n", 1)[1]  # its title is the page's
    source[0] += re.sub(r"\$`(.*?)`\$", r"$\1$", text)
    app.env.note_dependency(LEDGER)


def setup(app: Sphinx) -> dict[str, bool]:
    """Append the ledger to the page of that name."""
    app.connect("source-read", _add_ledger)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
