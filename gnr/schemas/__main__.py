"""Write all schema files."""

from pathlib import Path

from gnr.schemas import DOCUMENTS, render

for name in DOCUMENTS:
    Path(__file__).with_name(f"{name}.json").write_text(render(name), encoding="utf-8")
