"""What `gnr converge` returns: the gap to the optimum against n, its causes, and a verdict."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gnr.instance import SCHEMA_VERSION
from gnr.plan import Occupancy
from gnr.provenance import Provenance
from gnr.simulation import Estimate, Simulation, write_document

_FROZEN = ConfigDict(frozen=True, use_attribute_docstrings=True)


Against = Literal["optimum", "plan"]
"""What a gap is counted from."""


class Bounded(BaseModel):
    """An estimate with a bootstrap interval, which need not be symmetric."""

    model_config = _FROZEN

    estimate: float
    low: float
    high: float


class PowerLawFit(BaseModel):
    """gap(n) = limit + amplitude n^(-exponent), the gap counted as `Convergence.against` says."""

    model_config = _FROZEN

    limit: Bounded
    """g_inf, the gap of an infinite cluster, a fraction."""
    amplitude: Bounded
    """a."""
    exponent: Bounded
    """s."""
    lack_of_fit: float
    """Relative scatter of the decaying part around the law that noise does not explain: the
    rounding of M to whole GPUs makes it."""
    confidence: float
    """Of the intervals, each by itself."""


class PairedDifference(BaseModel):
    """Revenue against another policy on the same random numbers, replication by replication."""

    model_config = _FROZEN

    against: str
    """The other policy."""
    gpus: int
    """n."""
    difference: Estimate
    """Revenue of this policy less the other's, money/s per GPU."""
    correlation: float
    """Achieved by the common random numbers; above 0 pairing narrows the interval."""


class Convergence(BaseModel):
    """A policy on growing clusters."""

    model_config = _FROZEN

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    instance: str
    """Name of the instance."""
    policy: str
    """Name of the policy."""
    accounting: Literal["bundled", "separate"]
    """How revenue is counted."""
    lp_revenue_rate: float
    """Optimum without promises under this accounting, money/s per GPU."""
    against: Against
    """What the fitted gap is counted from: the optimum without promises, or, where the instance
    has promises, what the plan that keeps them earns under this accounting."""
    approached_revenue_rate: float
    """That value, money/s per GPU."""
    targets: dict[str, Occupancy]
    """The plan's fluid point by class, per GPU: the lines that occupancies should approach."""
    points: tuple[Simulation, ...]
    """By cluster size."""
    fit: PowerLawFit | None
    """Null with fewer than four sizes."""
    delta: float
    """A limit inside +-delta counts as converged, a fraction of what the gap is counted from."""
    verdict: Literal["converges", "does not converge", "undecided"]
    """By the interval of the limit: inside +-delta, wholly outside, or neither."""
    paired: tuple[PairedDifference, ...] = ()
    """Against the first policy of the same command, at the sizes both have."""
    complete: bool
    """False if interrupted before the last cluster size."""
    warnings: tuple[str, ...]
    """What should be known before the verdict is used."""
    provenance: Provenance
    """Where this result comes from."""

    def __repr__(self) -> str:
        """Return one line; `rich.print` shows the whole summary."""
        return f"Convergence({self.instance}, {self.policy}: {self.verdict})"

    __str__ = __repr__

    def __rich__(self) -> Any:
        """Return the terminal summary."""
        from gnr.simulation_summary import summarize_convergence

        return summarize_convergence(self)

    def fitted_gap(self, point: Simulation) -> Estimate:
        """Return the gap of one cluster size that the fit and the verdict are about."""
        return point.gap if self.against == "optimum" else point.plan_gap or point.gap

    def to_json(self, indent: int | None = 2) -> str:
        """Return the JSON document, floats at full precision."""
        return self.model_dump_json(indent=indent, by_alias=True)

    def write(self, folder: Path) -> list[Path]:
        """Write the JSON document and the arrays as netCDF into `folder`; return the paths."""
        stem = f"{self.instance}.{self.policy}.convergence"
        path = folder / f"{stem}.nc"
        written = [write_document(self.to_json(), folder, stem)]
        from gnr.atomic import complete_file

        with complete_file(path) as temporary:
            self.to_dataset().to_netcdf(temporary, engine="h5netcdf")
        return [*written, path]

    def to_dataset(self) -> Any:
        """Return an `xarray.Dataset` over ``(policy, gpus, replication, class)``.

        Revenue and gap by replication, gap terms in money/s per GPU, class measures as in
        `gnr.simulation.ClassSimulation`; sizes with fewer replications are filled with nan.
        """
        import numpy as np
        import xarray as xr

        most = max((each.replications for each in self.points), default=0)
        variables: dict[str, Any] = {}
        for name in self.points[0].samples if self.points else ():
            rows = [np.asarray(each.samples[name]) for each in self.points]
            padded = np.full((1, len(rows), *rows[0].shape[:-1], most), np.nan)
            for place, row in enumerate(rows):
                padded[0, place, ..., : row.shape[-1]] = row
            inner = ("class",) if padded.ndim == 4 else ()
            variables[name] = (("policy", "gpus", *inner, "replication"), padded)
        return xr.Dataset(
            variables,
            coords={
                "policy": np.array([self.policy], dtype=np.str_),
                "gpus": [each.gpus for each in self.points],
                "class": np.array(list(self.targets), dtype=np.str_),
                "replication": np.arange(most),
            },
            attrs={
                "instance": self.instance,
                "accounting": self.accounting,
                "verdict": self.verdict,
                "lp_revenue_rate": self.lp_revenue_rate,
                "provenance": self.provenance.model_dump_json(),
            },
        )
