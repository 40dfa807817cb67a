"""A certificate of an optimum: numbers with which anyone can check it, exactly."""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gnr.atomic import complete_file

SCHEMA_VERSION = 1

Exact = str
"""A fraction, ``p/q`` in lowest terms or ``p``."""


class Certificate(BaseModel):
    """Proof that a value is optimal for an instance, or that nothing is feasible.

    All numbers are exact. The program is not in it: who checks it builds that from the instance
    file. Variables are named ``prefill[NAME]``, ``mixed_decode[NAME]``, ``solo_decode[NAME]`` and,
    for classes that leave at some rate, ``prefill_queue[NAME]``, ``decode_queue[NAME]``; rows
    ``prefill_capacity``, ``mixed_decode_capacity``, ``solo_decode_capacity``,
    ``prefill_balance[NAME]``, ``decode_balance[NAME]``. The promises of the file, and all of them,
    are the rows ``promise[LABEL]``; those of fairness have variables more, ``highest[LABEL]`` and
    ``lowest[LABEL]``, or ``least[LABEL]``, and rows that tie them to the classes,
    ``definition[LABEL][0]`` and so on. LABEL is the key of the promise in results: its name, its
    kind, or kind:class.
    """

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    instance: str
    """Name of the instance."""
    instance_sha256: str
    """SHA-256 of the resolved instance, to find it by; no proof of anything."""
    overrides: tuple[str, ...]
    """Changes made to the file by ``--set``; the file to check against has them written in."""
    status: Literal["optimal", "infeasible"]
    """What is certified."""
    scheme: Literal["bundled", "separate"]
    """Pricing scheme of the objective."""
    empty_decode_buffer: bool
    """Whether the program demanded an empty decode buffer (q_d = 0)."""
    disaggregated: bool
    """Whether the program demanded that no GPU decodes while it prefills (y_m = 0)."""
    value: Exact | None
    """Optimal value, money/s per GPU; null if infeasible."""
    primal: dict[str, Exact]
    """A vertex that has this value, requests per GPU by variable; empty if infeasible."""
    dual: dict[str, Exact]
    """Multipliers by row. If optimal, they bound the value from above by itself, and the variables
    and slacks at reduced cost 0 show how far the optimum is unique. If infeasible, they combine the
    rows to one that no nonnegative point satisfies (Farkas)."""
    unique: bool | None
    """Whether all optimal points are the same plan, the variables of fairness promises apart,
    which are bounds and no part of a plan; null if infeasible."""
    directions: tuple[dict[str, Exact], ...]
    """Differences from the vertex to other optimal points, linearly independent, as many as the set
    of optima has dimensions; nonzero entries only. If the optimum is unique they move at most
    the variables of fairness promises."""
    checksum: str = ""
    """SHA-256 of the rest as compact JSON with sorted keys: finds slips, proves nothing."""

    def sealed(self) -> "Certificate":
        """Return the same certificate with its checksum filled in."""
        content = self.model_dump(mode="json", exclude={"checksum"})
        return self.model_copy(update={"checksum": checksum_of(content)})

    def write(self, folder: Path) -> Path:
        """Write ``NAME.certificate.json`` into `folder` and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.instance}.certificate.json"
        with complete_file(path) as temporary:
            temporary.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return path


def checksum_of(content: dict[str, Any]) -> str:
    """Return the SHA-256 of JSON content, written compactly with sorted keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
