"""What `gnr solve` returns: the optimum, its prices, and how unique they are.

`Solution` is the Python object, the JSON document and, through pydantic, its JSON Schema.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_serializer

from gnr.atomic import complete_file
from gnr.certificate import Certificate
from gnr.instance import SCHEMA_VERSION, Instance
from gnr.plan import Occupancy, Plan, check_group, make_plan, other_group, with_mixed_gpus
from gnr.provenance import Provenance
from gnr.rates import rates_of
from gnr.recommendation import Recommendation
from gnr.slis import mean_tpot

_FROZEN = ConfigDict(frozen=True, use_attribute_docstrings=True)

Range = tuple[float | None, float | None]
"""Right and left derivative; null where there is none (more load would be infeasible)."""


class ClassSolution(Occupancy):
    """The optimum for one class: occupancies per GPU and values per request."""

    model_config = _FROZEN

    name: str
    """Name of the class."""
    marginal_value: float
    """phi-hat: what one more request of the class earns, money per request."""
    decode_marginal: float
    """eta-hat: what one more prefilled request of the class earns, money per request."""


class Tpot(BaseModel):
    """Mean time per output token, s."""

    model_config = _FROZEN

    capacity: float
    """Mean iteration time over the decode slots of the plan (eq. P47)."""
    token_mean: float | None
    """Mean iteration time over output tokens (eq. D9); null if nothing decodes."""


class MarginalRanges(BaseModel):
    """Both ends of the multipliers that are not unique: right and left derivative.

    The value is concave in the load and the capacities, so that there the right one is the lesser;
    in the bound of a promise either may be, and null is also where the value drops at once.
    """

    model_config = _FROZEN

    marginals: dict[str, Range] = {}
    """By capacity and by promise."""
    marginal_value: dict[str, Range] = {}
    """By class."""
    decode_marginal: dict[str, Range] = {}
    """By class; for a class that is shut out only the right end means anything."""
    gpu_value: Range | None = None
    """Of one more GPU; null if unique."""


class Unique(BaseModel):
    """Which numbers are the same at every optimum; null where that is undecided.

    Rounding may leave it so; under promises it is settled in exact fractions, the numbers of the
    file being the shortest decimals that denote them, for up to 24 classes and without penalties.
    """

    model_config = _FROZEN

    prefill: bool | None
    mixed_decode: bool | None
    solo_decode: bool | None
    prefill_queue: bool | None
    decode_queue: bool | None
    marginals: bool | None
    """Whether all multipliers are unique, the redundant prefill row apart."""
    ranges: MarginalRanges
    """Ends of those that are not."""
    reported: str
    """Which optimum is reported."""


class Shortfall(BaseModel):
    """A requirement that cannot be met, and by how much."""

    model_config = _FROZEN

    requirement: str
    """What would have to give."""
    by: float
    """By how much."""
    unit: str


class NamedSli(BaseModel):
    """Which service level indicator a part of a document is about."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, populate_by_name=True)

    name: str
    """Its key in results."""
    kind: str
    """What is measured."""
    class_name: str | None = Field(alias="class")
    """Class it is about; null: the whole cluster."""
    unit: str
    """Unit of its bound and of its values."""
    direction: Literal["at_most", "at_least"]
    """Which way the bound goes, or the penalty pulls."""


class PlannedPromise(NamedSli):
    """A service level indicator in the plan: promised or penalised, attained, at what price."""

    bound: float | None
    """What is promised; null for a penalty."""
    penalty_weight: float | None
    """Money/s per unit; null for a promise."""
    planned: float | None
    """The indicator at the plan; null where it has no meaning (nobody is served)."""
    price: float
    """Slope of the optimal value in the bound, money/s per unit: what loosening an `at_most` earns,
    and what raising an `at_least` costs, as a negative number. For a penalty its weight."""
    penalty: float
    """What is subtracted from the revenue, money/s per GPU; 0 for a promise."""


class KeepablePromise(BaseModel):
    """A promise of a conflict, and what could be promised instead."""

    model_config = _FROZEN

    name: str
    """Its key in results."""
    direction: Literal["at_most", "at_least"]
    """Which way the bound goes."""
    bound: float
    """What is promised."""
    nearest: float | None
    """The nearest bound that can be kept with all other promises as they are, rounded outward;
    null if there is none."""
    unit: str
    """Unit of both."""
    clashing_without: tuple[str, ...]
    """The fewest of all other promises of the file that cannot be kept together even if this one
    is left out; empty if all others can."""

    def words(self, bound: float) -> str:
        """Return a bound in words."""
        return f"{self.direction.replace('_', ' ')} {bound:.12g} {self.unit}"


class Conflict(BaseModel):
    """Promises that cannot be kept together, while any fewer of them could."""

    model_config = _FROZEN

    promises: tuple[str, ...]
    """Their keys, in file order: no fewer are in conflict."""
    keepable: tuple[KeepablePromise, ...]
    """What each could be instead."""
    penalties: tuple[str, ...]
    """Penalties that come with an empty decode buffer, if all promises could be kept without
    that."""


class Solution(BaseModel):
    """The optimal steady state of one instance, per GPU and in money/s."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, populate_by_name=True)

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    instance: Instance
    """The instance; in JSON its name."""
    status: Literal["optimal", "infeasible", "unbounded", "limit"]
    """How the solve ended; only `optimal` comes with numbers."""
    scheme: Literal["bundled", "separate"]
    """Pricing scheme of the objective."""
    empty_decode_buffer: bool
    """Whether the program demanded an empty decode buffer (q_d = 0)."""
    disaggregated: bool
    """Whether the program demanded that no GPU decodes while it prefills (y_m = 0)."""
    revenue_rate: float | None
    """Optimal revenue without penalties, money/s per GPU; null unless optimal."""
    unpromised_revenue_rate: float | None = None
    """Best revenue without promises and penalties, money/s per GPU: what they cost is the
    difference. Null without any, and unless optimal."""
    penalty: float
    """Penalties of soft SLIs, money/s per GPU."""
    penalty_bound: float | None = None
    """No plan's revenue less penalties is more than this, money/s per GPU: proven, and above that
    of this plan by at most 1e-8 of revenue plus penalties, or of the revenue that could be had
    without those that are not linear, if that is more. Null without penalties."""
    classes: tuple[ClassSolution, ...]
    """By class, in file order; empty unless optimal."""
    totals: Occupancy | None
    """Sums over the classes; null unless optimal."""
    marginals: dict[str, float | None]
    """Derivatives of the optimal value in the capacities, money/s per unit, and, by name, in the
    bounds of the promises. Where every GPU prefills, only alpha + B delta is identified:
    prefill_capacity is then null and solo_decode_capacity holds (alpha + B delta)/B. Empty unless
    optimal."""
    gpu_value: float | None
    """What one more GPU earns at the same demand and the same promises, money/s; without promises
    alpha + B delta."""
    tpot: Tpot | None
    """Time per output token at the plan; null unless optimal."""
    unique: Unique | None
    """What is unique; null unless optimal."""
    promises: tuple[PlannedPromise, ...]
    """The service level indicators, in file order; empty unless optimal."""
    plan_for_gpus: Plan | None = Field(default=None, alias="plan")
    """The plan for the number of GPUs asked for; null if none was."""
    shortfall: tuple[Shortfall, ...]
    """Requests that cannot be served, by class, and last, as the other way out, the growth of the
    cluster that would serve them; or how far each promise in conflict is from one that can be
    kept; empty unless infeasible."""
    conflict: Conflict | None = None
    """The promises that make it infeasible; null unless promises do."""
    certificate: Certificate | None = None
    """Exact proof of the optimum, or that there is none; null unless asked for."""
    warnings: tuple[str, ...]
    """What should be known before the numbers are used."""
    provenance: Provenance
    """Where this result comes from."""

    @field_serializer("instance")
    def _name_of_instance(self, instance: Instance) -> str:
        return instance.name

    def __repr__(self) -> str:
        """Return one line; `rich.print` shows the whole summary."""
        rate = "" if self.revenue_rate is None else f", {self.revenue_rate:.6g} money/s per GPU"
        return f"Solution({self.instance.name}: {self.status}{rate})"

    __str__ = __repr__

    def plan(self, gpus: int, mixed_gpus: int | None = None) -> Plan:
        """Return the plan for a cluster of `gpus` GPUs, `mixed_gpus` of which may prefill.

        Without `mixed_gpus` the group has M = ceil(n x) GPUs (eq. U3); with it, see
        `gnr.plan.with_mixed_gpus`.

        Raises
        ------
        InputError
            If `gpus` is not a positive integer, or if with `mixed_gpus` nobody can prefill, or
            nobody decode.
        ValueError
            If the status is not optimal.
        """
        plan = self._rounded_plan(gpus)
        if mixed_gpus is None or mixed_gpus == plan.mixed_gpus:
            return plan
        check_group(plan, mixed_gpus)
        asked = with_mixed_gpus(plan, mixed_gpus, self.instance.gpu.batch_slots)
        other = other_group(plan, mixed_gpus)
        return asked.model_copy(update={"warnings": (other, *asked.warnings)})

    def _rounded_plan(self, gpus: int) -> Plan:
        """Return the plan whose group is n x rounded up (eq. U3)."""
        if self.revenue_rate is None:
            raise ValueError(f"{self.instance.name}: no plan, the status is {self.status}")
        return make_plan(
            gpus=gpus,
            objective=self.scheme,
            promises=[sli.label for sli in self.instance.slis],
            disaggregated=self.disaggregated,
            revenue_rate=self.revenue_rate,
            rates=rates_of(self.instance),
            names=[each.name for each in self.classes],
            occupancy=self.classes,
            marginal_value=[each.marginal_value for each in self.classes],
            most_prefill=self._most_prefill(),
        )

    def _most_prefill(self) -> float | None:
        """Return the largest prefill occupancy that the promised mean TPOT allows (eq. D7)."""
        rates = rates_of(self.instance)
        caps = [
            mean_tpot.most_prefill(rates, sli.at_most)
            for sli in self.instance.slis
            if sli.kind == mean_tpot.INDICATOR.kind and sli.at_most is not None
        ]
        return min((cap for cap in caps if cap is not None), default=None)

    def with_plan(self, gpus: int, mixed_gpus: int | None = None) -> "Solution":
        """Return the same solution with the plan for `gpus` GPUs in it; see `plan`."""
        return self.model_copy(update={"plan_for_gpus": self.plan(gpus, mixed_gpus)})

    def with_recommendation(self, recommendation: Recommendation | None) -> "Solution":
        """Return the same solution with a recommendation in its plan.

        Raises
        ------
        ValueError
            If there is no plan in it.
        """
        if self.plan_for_gpus is None:
            raise ValueError(f"{self.instance.name}: no plan to recommend a policy for")
        plan = self.plan_for_gpus.model_copy(update={"recommendation": recommendation})
        return self.model_copy(update={"plan_for_gpus": plan})

    def with_certificate(self, certificate: Certificate) -> "Solution":
        """Return the same solution with a certificate in it."""
        return self.model_copy(update={"certificate": certificate})

    def to_json(self, indent: int | None = 2) -> str:
        """Return the JSON document, floats at full precision."""
        return self.model_dump_json(indent=indent, by_alias=True)

    def to_dataset(self) -> Any:
        """Return an `xarray.Dataset` over the dimension ``class``, provenance as an attribute.

        Occupancies are per GPU, marginals in money per request.
        """
        import numpy as np
        import xarray as xr

        fields = [*Occupancy.model_fields, "marginal_value", "decode_marginal"]
        columns = {
            field: (
                "class",
                [getattr(each, field) for each in self.classes],
                {
                    "units": "requests per GPU"
                    if field in Occupancy.model_fields
                    else "money/request"
                },
            )
            for field in fields
        }
        return xr.Dataset(
            columns,
            coords={"class": np.array([each.name for each in self.classes], dtype=np.str_)},
            attrs={
                "instance": self.instance.name,
                "status": self.status,
                "scheme": self.scheme,
                "revenue_rate": float("nan") if self.revenue_rate is None else self.revenue_rate,
                "provenance": self.provenance.model_dump_json(),
            },
        )

    def write(self, folder: Path) -> Path:
        """Write the JSON document into `folder` and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.instance.name}.solution.json"
        with complete_file(path) as temporary:
            temporary.write_text(self.to_json() + "\n", encoding="utf-8")
        return path

    def __rich__(self) -> Any:
        """Return the terminal summary."""
        from gnr.summary import summarize

        return summarize(self)

    def _repr_html_(self) -> str:
        """Return the summary for a notebook."""
        from gnr.summary import to_html

        return to_html(self)
