"""What `gnr prove INSTANCE` returns: which hypotheses hold, and what they let one conclude."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gnr.atomic import complete_file
from gnr.instance import SCHEMA_VERSION
from gnr.provenance import Provenance

_FROZEN = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Hypothesis(BaseModel):
    """One thing that theorems assume, for this instance."""

    model_config = _FROZEN

    name: str
    """The hypothesis."""
    holds: bool
    because: str
    """What it rests on, numbers rounded."""
    exact: dict[str, str]
    """The same numbers as fractions."""
    meaning: str
    """What it means, in plain words."""


class Covered(BaseModel):
    """What one theorem says of this instance."""

    model_config = _FROZEN

    theorem: str
    covers: Literal["yes", "no", "open"]
    """Open: its hypotheses hold, but no machine carries its proof to the end."""
    because: str
    """Why, in plain words."""
    claims: dict[str, str]
    """Claims to look at, each with the verdict of the reviewed ledger."""


class Coverage(BaseModel):
    """Hypotheses and theorems for one instance."""

    model_config = _FROZEN

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    instance: str
    """Name of the instance."""
    scheme: Literal["bundled", "separate"]
    """Pricing scheme."""
    status: Literal["optimal", "infeasible"]
    """Of the linear program, exact."""
    value: str | None
    """Exact optimal revenue, money/s per GPU; null if infeasible."""
    hypotheses: tuple[Hypothesis, ...]
    theorems: tuple[Covered, ...]
    warnings: tuple[str, ...]
    """What should be known besides."""
    provenance: Provenance
    """Where this result comes from."""

    def write(self, folder: Path) -> Path:
        """Write the JSON document into `folder` and return its path."""
        path = folder / f"{self.instance}.theorems.json"
        with complete_file(path) as temporary:
            temporary.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return path

    def __rich__(self) -> Any:
        """Return the terminal summary."""
        from gnr.proof_summary import summarize_coverage

        return summarize_coverage(self)
