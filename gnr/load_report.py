"""What a valid instance amounts to before it is solved: its rates and its load."""

import time

from pydantic import BaseModel, ConfigDict, Field

from gnr.checks import warnings_for
from gnr.instance import SCHEMA_VERSION, Instance
from gnr.provenance import Provenance, record
from gnr.rates import rates_of
from gnr.slis import INDICATORS


class StatedPromise(BaseModel):
    """A promise or a penalty as the file states it, with what it measures."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, populate_by_name=True)

    name: str
    """Its key in results."""
    kind: str
    """What is measured."""
    class_name: str | None = Field(alias="class")
    """Class it is about; null: the whole cluster."""
    measures: str
    """What is measured, in words."""
    unit: str
    """Unit of the bound."""
    at_most: float | None
    """Upper bound; null if there is none."""
    at_least: float | None
    """Lower bound; null if there is none."""
    penalty_weight: float | None
    """Money/s per unit; null for a promise."""


class LoadReport(BaseModel):
    """What `gnr check` tells of a valid file."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    instance: str
    """Name of the instance."""
    valid: bool
    """True: a file with a fault ends in an error instead."""
    classes: int
    """Number of request classes."""
    mixed_iteration_time: float
    """tau, s."""
    speed_ratio: float
    """kappa = gamma tau, solo over mixed decode speed."""
    prefill_load: float
    """Sum of lambda_i/mu_p,i: GPUs that would have to prefill to serve everybody, per GPU."""
    decode_load: float
    """Decode row of the knapsack (D4) with everybody served: sum of (C phi + kappa B - (B-1))
    lambda/mu_p over kappa B; above 1 not everybody can be served."""
    promises: tuple[StatedPromise, ...]
    """What the file promises and penalises, in file order."""
    warnings: tuple[str, ...]
    """What is accepted but should be known."""
    provenance: Provenance
    """Where this result comes from."""


def report_load(instance: Instance) -> LoadReport:
    """Return the load of an instance, all of it served."""
    started, rates = time.perf_counter(), rates_of(instance)
    return LoadReport(
        instance=instance.name,
        valid=True,
        classes=rates.classes,
        mixed_iteration_time=rates.mixed_time,
        speed_ratio=rates.speed_ratio,
        prefill_load=float(rates.prefill_load),
        decode_load=float(rates.decode_load),
        promises=_stated(instance),
        warnings=tuple(warnings_for(instance)),
        provenance=record(instance.sha256(), started, {}),
    )


def _stated(instance: Instance) -> tuple[StatedPromise, ...]:
    return tuple(
        StatedPromise(
            name=sli.label,
            kind=sli.kind,
            class_name=sli.class_name,
            measures=INDICATORS[sli.kind].title,
            unit=INDICATORS[sli.kind].unit,
            at_most=sli.at_most,
            at_least=sli.at_least,
            penalty_weight=sli.penalty_weight,
        )
        for sli in instance.slis
    )
