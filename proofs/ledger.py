"""The ledger as data: rows, how the paper stands, which verdict each claim must reach."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Row:
    """One row of the ledger.

    Attributes
    ----------
    id
        As in THEORY 8; rows beyond it have names of their own.
    section
        Section of THEORY.
    check
        Letters of the kinds of check that decide it: S, I, O, X, L, R.
    paper
        How the paper's step stands.
    verdicts
        Expected label of every claim about the row, by claim id.
    reading
        What a reader found, where no computation decides.
    """

    id: str
    section: str
    check: str
    paper: str
    verdicts: Mapping[str, str]
    reading: str = ""

    @property
    def reading_only(self) -> bool:
        """Whether no computation decides the row."""
        return self.check == "R"


@cache
def rows() -> Mapping[str, Row]:
    """Return the rows by id, in order."""
    text = (files("gnr.proofs") / "ledger.toml").read_text(encoding="utf-8")
    return {name: Row(id=name, **row) for name, row in tomllib.loads(text).items()}


def expected_verdict(claim_id: str) -> str | None:
    """Return the label that the reviewed table expects of a claim; None if it has none."""
    row = rows().get(claim_id.partition("/")[0])
    return row.verdicts.get(claim_id) if row else None
