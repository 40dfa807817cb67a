"""What `gnr prove` returns for claims: each with its verdict and what it rests on."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gnr.atomic import complete_file
from gnr.instance import SCHEMA_VERSION
from gnr.provenance import Provenance

_FROZEN = ConfigDict(frozen=True, use_attribute_docstrings=True)

Word = Literal["proved", "refuted", "undecided"]


class FaultVerdict(BaseModel):
    """What a check said to a fault planted in it."""

    model_config = _FROZEN

    fault: str
    """The fault in words."""
    verdict: Word
    """Refuted if the check notices it."""


class ClaimVerdict(BaseModel):
    """One claim and what a machine could say of it."""

    model_config = _FROZEN

    id: str
    """Row of the ledger, with /printed or /corrected where the paper's step is at fault."""
    row: str
    """Row of the ledger."""
    section: str
    """Section of the theory."""
    statement: str
    """The claim in words."""
    latex: str
    """The claim as a formula."""
    assumptions: tuple[str, ...]
    """Relations it is made under, LaTeX."""
    cites: tuple[str, ...]
    """Facts taken from the literature without proof."""
    source: str
    """Where it stands."""
    paper: str
    """How the paper's step stands, as in the ledger."""
    verdict: Word
    restriction: str
    """What the proof is limited to; empty for none."""
    supported: int
    """Instances on which numerics agree, where there is no proof."""
    label: str
    """Verdict, restriction and support as they are printed."""
    evidence: tuple[str, ...]
    """What was derived, or the exact counterexample, or what is missing."""
    expected: str | None
    """The label of the reviewed table; null if it does not know the claim."""
    as_expected: bool
    """Whether the two labels are the same."""
    faults: tuple[FaultVerdict, ...]
    """Planted faults, if they were asked for."""
    seconds: float
    """Time of the check, s."""


class ClaimEntry(BaseModel):
    """One claim of the list, unchecked."""

    model_config = _FROZEN

    id: str
    section: str
    """Section of the theory."""
    paper: str
    """How the paper's step stands."""
    expected: str
    """The verdict that the reviewed table expects."""
    statement: str
    """The claim in words."""


class ClaimList(BaseModel):
    """What there is to prove."""

    model_config = _FROZEN

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    claims: tuple[ClaimEntry, ...]
    """In the order of the ledger."""

    def __rich__(self) -> Any:
        """Return the list as a table."""
        from gnr.proof_summary import list_table

        return list_table(self)


class ReadingRow(BaseModel):
    """A row of the ledger that no computation decides."""

    model_config = _FROZEN

    row: str
    section: str
    paper: str
    reading: str
    """What a reader found."""


class ProofReport(BaseModel):
    """Claims with their verdicts."""

    model_config = _FROZEN

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    claims: tuple[ClaimVerdict, ...]
    """In the order of the ledger."""
    reading_only: tuple[ReadingRow, ...]
    """Rows that were read, not computed."""
    proved: int
    refuted: int
    undecided: int
    unexpected: tuple[str, ...]
    """Ids whose verdict is not that of the reviewed table, or whose check misses a fault."""
    provenance: Provenance
    """Where this result comes from."""

    def write(self, folder: Path) -> Path:
        """Write the JSON document into `folder` and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "proofs.json"
        with complete_file(path) as temporary:
            temporary.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return path

    def __rich__(self) -> Any:
        """Return the terminal summary."""
        from gnr.proof_summary import summarize

        return summarize(self)
