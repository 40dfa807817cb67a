"""JSON Schemas of the instance file and of every verb's ``--json`` document.

``python -m gnr.schemas`` writes them into this folder; a test keeps them fresh.
"""

import json
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict

from gnr.calibration_result import Calibration
from gnr.certificate import Certificate
from gnr.comparison import Comparison
from gnr.convergence import Convergence
from gnr.coverage import Coverage
from gnr.drawing import Drawing
from gnr.fit_result import Fit
from gnr.frontier_result import Frontier, FrontierMap
from gnr.instance import Instance
from gnr.load_report import LoadReport
from gnr.replay_result import Replay
from gnr.reproduction import Reproduction
from gnr.result import Solution
from gnr.router_export import RouterPlan, VllmPriorities
from gnr.simulation import Simulation
from gnr.sizing import Sizing
from gnr.slis import INDICATORS
from gnr.survey import Survey
from gnr.sweep_result import Sweep
from gnr.verdicts import ClaimList, ProofReport


class ErrorMessage(BaseModel):
    """One problem with the input."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    file: str
    """File, shipped name or option it is in."""
    path: str
    """Place in the file; empty for the whole file."""
    message: str
    """What is wrong."""
    remedy: str
    """What to do; may be empty."""


class Error(BaseModel):
    """Why a command failed."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    code: int
    """Exit code: 1 no optimum to compare with, 2 bad input, 4 internal error."""
    messages: list[ErrorMessage]


class ErrorDocument(BaseModel):
    """What ``--json`` prints instead of a result when a command fails."""

    model_config = ConfigDict(extra="forbid")

    error: Error


DOCUMENTS: dict[str, type[BaseModel]] = {
    "instance": Instance,
    "check": LoadReport,
    "solve": Solution,
    "certificate": Certificate,
    "draw": Drawing,
    "export": RouterPlan,
    "export-vllm-priority": VllmPriorities,
    "simulate": Simulation,
    "size": Sizing,
    "converge": Convergence,
    "compare": Comparison,
    "compare-random": Survey,
    "fit": Fit,
    "frontier": Frontier,
    "frontier-map": FrontierMap,
    "sweep": Sweep,
    "prove": ProofReport,
    "prove-list": ClaimList,
    "prove-instance": Coverage,
    "calibrate": Calibration,
    "replay": Replay,
    "reproduce": Reproduction,
    "error": ErrorDocument,
}
"""Model of each document; a verb that takes several instances prints ``{"results": [...]}``."""


def schema_of(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a document, generated from its model."""
    if name != "instance":
        return DOCUMENTS[name].model_json_schema(by_alias=True, mode="serialization")
    schema = Instance.model_json_schema(by_alias=True, mode="validation")
    schema["$defs"]["Sli"]["properties"]["kind"]["enum"] = list(INDICATORS)
    return schema


def render(name: str) -> str:
    """Return the text of the schema file of a document."""
    return json.dumps(schema_of(name), indent=2, sort_keys=True) + "\n"


def read_schema(name: str) -> Any:
    """Return the JSON Schema of a document as it is shipped."""
    return json.loads((files("gnr.schemas") / f"{name}.json").read_text(encoding="utf-8"))
