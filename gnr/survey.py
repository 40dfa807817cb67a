"""What `gnr compare --random` returns: policies over many instances drawn by one rule."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gnr.comparison import Best, Condition, PolicyPair, write_arrays
from gnr.instance import SCHEMA_VERSION, Instance
from gnr.provenance import Provenance
from gnr.simulation import Estimate, write_document

_FROZEN = ConfigDict(frozen=True, use_attribute_docstrings=True)


class DrawnInstance(BaseModel):
    """An instance drawn at random."""

    model_config = _FROZEN

    number: int
    """k; the instance depends on the seed and on k alone."""
    sha256: str
    """SHA-256 of the resolved instance."""
    lp_revenue_rate: float
    """Optimum under the accounting, money/s per GPU."""
    instance: Instance
    """All of it."""


class InstanceGap(BaseModel):
    """What one policy left of one instance's optimum."""

    model_config = _FROZEN

    instance: int
    """Number of the instance."""
    policy: str
    """Name of the policy."""
    gpus: int
    """n."""
    lengths: str
    """Law of the lengths."""
    gap: Estimate
    """1 - revenue / LP value, over the replications on this instance."""
    starts_agree: Literal["yes", "no", "undecided"]
    """Whether runs from two starts agree, as in `gnr.simulation.WarmupCheck`."""


class PolicySummary(BaseModel):
    """One policy over all instances, at one size and law; gaps are shares of the LP value."""

    model_config = _FROZEN

    policy: str
    """Name of the policy."""
    gpus: int
    """n."""
    lengths: str
    """Law of the lengths."""
    gap: Estimate
    """Mean over instances of the mean gap, with its t interval over instances."""
    standard_deviation: float
    """Of the mean gap, over instances."""
    worst_gap: float
    """Largest mean gap of an instance."""
    worst_instance: int
    """Its number."""
    wins: int
    """Instances on which no policy has a smaller mean gap."""

    @property
    def condition(self) -> Condition:
        """Return where this was measured."""
        return Condition(self.gpus, self.lengths)


class Survey(BaseModel):
    """Policies on instances drawn at random, by cluster size and law of the lengths."""

    model_config = _FROZEN

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    seed: int
    """Seed of the instances and of the simulations."""
    rule: str
    """How instances are drawn."""
    asked: int
    """Instances asked for."""
    accounting: Literal["bundled", "separate"]
    """How revenue is counted."""
    instances: tuple[DrawnInstance, ...]
    """Those on which every policy is complete."""
    policies: tuple[PolicySummary, ...]
    """By policy, size and law."""
    gaps: tuple[InstanceGap, ...]
    """By instance, policy, size and law."""
    pairs: tuple[PolicyPair, ...]
    """Every pair of policies at each size and law; t intervals over instances."""
    best: tuple[Best, ...]
    """One for each size and law; its interval is over instances."""
    complete: bool
    """False if interrupted: instances are then missing."""
    warnings: tuple[str, ...]
    """What should be known before the numbers are used."""
    provenance: Provenance
    """Where this result comes from; the digest is that of all instances' digests."""

    def __repr__(self) -> str:
        """Return one line; `rich.print` shows the whole summary."""
        return f"Survey({len(self.instances)} instances: {', '.join(self.names)})"

    __str__ = __repr__

    def __rich__(self) -> Any:
        """Return the terminal summary."""
        from gnr.comparison_summary import summarize_survey

        return summarize_survey(self)

    @property
    def names(self) -> list[str]:
        """Return the names of the policies, in the order given."""
        return list(dict.fromkeys(each.policy for each in self.policies))

    @property
    def conditions(self) -> list[Condition]:
        """Return sizes and laws, in the order given."""
        return list(dict.fromkeys(each.condition for each in self.policies))

    @property
    def stem(self) -> str:
        """Return how the names of its files begin."""
        return f"random-{self.asked}-seed-{self.seed}"

    def at(self, condition: Condition) -> list[PolicySummary]:
        """Return the policies at one size and law."""
        return [each for each in self.policies if each.condition == condition]

    def to_json(self, indent: int | None = 2) -> str:
        """Return the JSON document, floats at full precision."""
        return self.model_dump_json(indent=indent)

    def write(self, folder: Path) -> list[Path]:
        """Write the JSON document and the gaps as netCDF into `folder`; return the paths."""
        stem = f"{self.stem}.comparison"
        written = write_document(self.to_json(), folder, stem)
        return [written, write_arrays(self.to_dataset(), folder / f"{stem}.nc")]

    def to_dataset(self) -> Any:
        """Return an `xarray.Dataset` of mean gaps over ``(policy, gpus, lengths, instance)``."""
        import numpy as np
        import xarray as xr

        numbers = [each.number for each in self.instances]
        sizes, laws = (list(dict.fromkeys(each[i] for each in self.conditions)) for i in (0, 1))
        gaps = np.full((len(self.names), len(sizes), len(laws), len(numbers)), np.nan)
        halves = gaps.copy()
        for each in self.gaps:
            place = (
                self.names.index(each.policy),
                sizes.index(each.gpus),
                laws.index(each.lengths),
                numbers.index(each.instance),
            )
            gaps[place], halves[place] = each.gap.mean, each.gap.half_width
        over = ("policy", "gpus", "lengths", "instance")
        return xr.Dataset(
            {"gap": (over, gaps), "gap_half_width": (over, halves)},
            coords={
                "policy": np.array(self.names, dtype=np.str_),
                "gpus": np.array(sizes),
                "lengths": np.array(laws, dtype=np.str_),
                "instance": np.array(numbers),
            },
            attrs={
                "seed": self.seed,
                "accounting": self.accounting,
                "provenance": self.provenance.model_dump_json(),
            },
        )
