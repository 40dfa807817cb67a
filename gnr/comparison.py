"""What `gnr compare` returns: policies side by side on the same random numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from gnr.instance import SCHEMA_VERSION
from gnr.provenance import Provenance
from gnr.simulation import Estimate, Kept, MeasuredPromise, Simulation, write_document

_FROZEN = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Condition(NamedTuple):
    """What is alike for all policies of one comparison."""

    gpus: int
    """n."""
    lengths: str
    """Law of prompt and output lengths."""

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.gpus:,} GPUs, {self.law}"

    @property
    def law(self) -> str:
        """Return the law of the lengths in words; a file without its folder."""
        file = Path(self.lengths)
        return f"lengths of {file.name}" if file.suffix == ".csv" else f"{self.lengths} lengths"


class PolicyPair(BaseModel):
    """Two policies held against each other, run by run on the same random numbers."""

    model_config = _FROZEN

    first: str
    """Name of a policy."""
    second: str
    """Name of the other."""
    gpus: int
    """n."""
    lengths: str
    """Law of the lengths."""
    difference: Estimate
    """Revenue of the first less that of the second, a share of the LP value."""
    money: Estimate | None
    """The same in money/s per GPU; null over several instances, whose money differs."""
    confidence: float
    """Of both intervals: at least 95 %, corrected for all pairs of this document (Holm)."""
    correlation: float
    """Achieved by the common random numbers; above 0 pairing narrows the interval."""
    verdict: Literal["better", "worse", "undecided"]
    """Of the first, by whether the interval excludes 0. Undecided does not mean equal."""
    isolates: str | None
    """What the pair is meant to isolate (Algorithm 8); null for other pairs."""

    @property
    def condition(self) -> Condition:
        """Return where they met."""
        return Condition(self.gpus, self.lengths)


class Best(BaseModel):
    """The policy with the smallest mean gap, and how sure that is."""

    model_config = _FROZEN

    gpus: int
    """n."""
    lengths: str
    """Law of the lengths."""
    policy: str
    """Its name."""
    gap: Estimate
    """Its mean gap to the LP optimum, a fraction, with its own 95 % interval."""
    better_than: tuple[str, ...]
    """Policies that it is better than by the corrected intervals."""
    undecided: tuple[str, ...]
    """Policies that it may or may not be better than."""
    keeps_promises: Kept | None = None
    """Whether it keeps every promise of the instance; null without any."""
    best_keeping: str | None = None
    """Of the policies that surely keep every promise the one with the smallest mean gap; null if
    none does, or without promises."""

    @property
    def condition(self) -> Condition:
        """Return where it is best."""
        return Condition(self.gpus, self.lengths)


class Comparison(BaseModel):
    """Policies on one instance, by cluster size and law of the lengths."""

    model_config = _FROZEN

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    instance: str
    """Name of the instance."""
    accounting: Literal["bundled", "separate"]
    """How revenue is counted."""
    lp_revenue_rate: float
    """Optimum without promises under this accounting, money/s per GPU."""
    promised_revenue_rate: float | None
    """Optimum with the promises and penalties under this accounting, penalties apart, money/s per
    GPU; null without any."""
    arrival_shares: dict[str, float]
    """Share of each class in the arrivals."""
    cells: tuple[Simulation, ...]
    """One simulation of each policy at each size and law."""
    pairs: tuple[PolicyPair, ...]
    """Every pair of policies at each size and law."""
    best: tuple[Best, ...]
    """One for each size and law."""
    complete: bool
    """False if interrupted: cells are then missing."""
    warnings: tuple[str, ...]
    """What should be known before the numbers are used."""
    provenance: Provenance
    """Where this result comes from."""

    def __repr__(self) -> str:
        """Return one line; `rich.print` shows the whole summary."""
        return f"Comparison({self.instance}: {', '.join(self.policies)})"

    __str__ = __repr__

    def __rich__(self) -> Any:
        """Return the terminal summary."""
        from gnr.comparison_summary import summarize_comparison

        return summarize_comparison(self)

    @property
    def policies(self) -> list[str]:
        """Return the names of the policies, in the order given."""
        return list(dict.fromkeys(each.policy for each in self.cells))

    @property
    def conditions(self) -> list[Condition]:
        """Return sizes and laws, in the order given."""
        return list(dict.fromkeys(condition_of(each) for each in self.cells))

    @property
    def promises(self) -> tuple[MeasuredPromise, ...]:
        """Return the promises as the first cell has them: name, unit and bound are those of all."""
        return self.cells[0].promises if self.cells else ()

    def cell(self, policy: str, condition: Condition) -> Simulation | None:
        """Return the cell of a policy at one size and law; None if it is missing."""
        found = (each for each in self.cells_at(condition) if each.policy == policy)
        return next(found, None)

    def cells_at(self, condition: Condition) -> list[Simulation]:
        """Return the cells of one size and law, in the order of the policies."""
        return [each for each in self.cells if condition_of(each) == condition]

    def to_json(self, indent: int | None = 2) -> str:
        """Return the JSON document, floats at full precision."""
        return self.model_dump_json(indent=indent, by_alias=True)

    def write(self, folder: Path) -> list[Path]:
        """Write the JSON document and the arrays as netCDF into `folder`; return the paths."""
        stem = f"{self.instance}.comparison"
        written = write_document(self.to_json(), folder, stem)
        return [written, write_arrays(self.to_dataset(), folder / f"{stem}.nc")]

    def to_dataset(self) -> Any:
        """Return an `xarray.Dataset` over ``(policy, gpus, lengths, class, replication)``.

        Revenue and gap by replication, gap terms in money/s per GPU, class measures as in
        `gnr.simulation.ClassSimulation`; what was not simulated is nan.
        """
        import numpy as np
        import xarray as xr

        policies, sizes, laws = self.policies, *(_distinct(self.conditions, i) for i in (0, 1))
        most = max((each.replications for each in self.cells), default=0)
        outer, arrays = (len(policies), len(sizes), len(laws)), dict[str, Any]()
        for cell in self.cells:
            place = (policies.index(cell.policy), sizes.index(cell.gpus), laws.index(cell.lengths))
            for name, values in cell.samples.items():
                row = np.asarray(values)
                shape = (*outer, *row.shape[:-1], most)
                array = arrays.setdefault(name, np.full(shape, np.nan))
                array[(*place, ..., slice(row.shape[-1]))] = row
        inner = {4: ("replication",), 5: ("class", "replication")}
        return xr.Dataset(
            {
                name: (("policy", "gpus", "lengths", *inner[array.ndim]), array)
                for name, array in arrays.items()
            },
            coords={
                "policy": np.array(policies, dtype=np.str_),
                "gpus": sizes,
                "lengths": np.array(laws, dtype=np.str_),
                "class": np.array(list(self.arrival_shares), dtype=np.str_),
                "replication": np.arange(most),
            },
            attrs={
                "instance": self.instance,
                "accounting": self.accounting,
                "lp_revenue_rate": self.lp_revenue_rate,
                "provenance": self.provenance.model_dump_json(),
            },
        )


def condition_of(cell: Simulation) -> Condition:
    """Return the size and the law of a simulation."""
    return Condition(cell.gpus, cell.lengths)


def write_arrays(dataset: Any, path: Path) -> Path:
    """Write an `xarray.Dataset` as netCDF and return its path."""
    from gnr.atomic import complete_file

    with complete_file(path) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf")
    return path


def _distinct(conditions: Sequence[Condition], field: int) -> list[Any]:
    return list(dict.fromkeys(condition[field] for condition in conditions))
