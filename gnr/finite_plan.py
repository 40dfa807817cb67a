"""What `gnr.plan_for_size` returns: the group size that earns most at this n, and its rivals."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gnr.instance import SCHEMA_VERSION
from gnr.plan import Plan
from gnr.provenance import Provenance
from gnr.simulation import Estimate, write_document

_FROZEN = ConfigDict(frozen=True, use_attribute_docstrings=True)


class GroupSize(BaseModel):
    """A number of GPUs that may prefill, what it is predicted to earn and what it earned."""

    model_config = _FROZEN

    mixed_gpus: int
    """M."""
    prefill_limit: int | None
    """Most requests of a marginal class in prefill at once; null: no limit."""
    rounding: Literal["up", "down"] | None
    """Whether n x rounded up or down gives this M; null: neither."""
    predicted_gap: float
    """Predicted loss, a fraction of the LP value."""
    least_gap: float
    """Loss that no policy on these groups gets below, a fraction of the LP value."""
    gap: Estimate | None
    """Simulated loss; null where it was not simulated."""
    behind: Estimate | None
    """Simulated revenue of the chosen size less this one, on the same random numbers, a fraction of
    the LP value, with the simultaneous half-width; null where it was not simulated."""
    runs: int
    """Simulated runs."""


class FinitePlan(BaseModel):
    """A plan for n GPUs whose group size is a decision, not a rounded number."""

    model_config = _FROZEN

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    instance: str
    """Name of the instance."""
    policy: str
    """Who follows the plan."""
    gpus: int
    """n."""
    lp_revenue_rate: float
    """Optimum, money/s per GPU, the unit of all gaps."""
    plan: Plan
    """The plan, with its group size and limits."""
    decided_by: Literal["prediction", "simulation"]
    """What told the chosen size from the others."""
    settled: bool
    """Whether no simulated rival is better by more than `indifference`, with `confidence`; true by
    prediction alone says nothing of the model's error."""
    indifference: float
    """Difference of revenue that is let pass, a fraction of the LP value."""
    confidence: float
    """Probability, at least, that all simulated differences are covered at every look."""
    sizes: tuple[GroupSize, ...]
    """The sizes that were looked at, the best predicted first."""
    warnings: tuple[str, ...]
    """What should be known before the plan is used."""
    provenance: Provenance
    """Where this result comes from."""

    def __repr__(self) -> str:
        """Return one line; `rich.print` shows the sizes."""
        return (
            f"FinitePlan({self.instance}, {self.gpus} GPUs: {self.plan.mixed_gpus} mixed, by "
            f"{self.decided_by})"
        )

    __str__ = __repr__

    def __rich__(self) -> Any:
        """Return the terminal summary."""
        from gnr.finite_plan_summary import summarize_finite_plan

        return summarize_finite_plan(self)

    def to_json(self, indent: int | None = 2) -> str:
        """Return the JSON document, floats at full precision."""
        return self.model_dump_json(indent=indent)

    def write(self, folder: Path) -> list[Path]:
        """Write the JSON document into `folder`; return the paths."""
        stem = f"{self.instance}.{self.gpus}-gpus.finite-plan"
        return [write_document(self.to_json(), folder, stem)]
