"""What `gnr size` returns: the GPUs a demand needs under its promises, and how sure that is."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gnr.instance import SCHEMA_VERSION
from gnr.latency_promise import LatencyPromise
from gnr.provenance import Provenance
from gnr.simulation import Estimate, Kept, write_document
from gnr.size_band import SizeBand

_FROZEN = ConfigDict(frozen=True, use_attribute_docstrings=True, populate_by_name=True)


class DemandedClass(BaseModel):
    """What is demanded of one class."""

    model_config = _FROZEN

    name: str
    """Its name."""
    requests_per_second: float
    """Arrivals of the whole demand."""


class KeptPromise(BaseModel):
    """A promise at one cluster."""

    model_config = _FROZEN

    name: str
    """Its name, as p99_ttft or abandonment_fraction:chat."""
    unit: str
    """Unit of the bound and of what was measured."""
    direction: Literal["at_most", "at_least"]
    """Which way the bound goes."""
    promised: float
    """The bound."""
    measured: Estimate | None
    """The same in the simulation, mean over the replications with its two-sided 95 % interval; null
    where too few replications have a value."""
    kept: Kept
    """`yes` or `no` at the error probability of the claim this is part of, else `undecided`."""


class ClassAtSize(BaseModel):
    """One class at the size found: means over time, of the whole cluster."""

    model_config = _FROZEN

    name: str
    """Its name."""
    prefill_gpus: float
    """GPUs that prefill requests of it."""
    decodes: float
    """Requests of it that decode."""
    decode_gpus: float
    """GPUs that these would fill, B a GPU."""
    finished: float
    """Finished requests/s."""
    abandoned: float
    """Share of the arrivals that leaves."""


class SizedCluster(BaseModel):
    """A cluster of one size and what simulation says of it."""

    model_config = _FROZEN

    gpus: int
    """n."""
    prefill_gpus: int | None
    """M, GPUs that may prefill; null where every GPU may."""
    keeps: Kept
    """Whether it keeps all promises."""
    error_probability: float
    """Probability at most of a wrong `yes` or `no`, over all looks."""
    replications: int
    """Replications looked at."""
    horizon_s: float
    """Measured window of each, s."""
    promises: tuple[KeptPromise, ...]
    """Promise by promise."""


class SmallerCluster(BaseModel):
    """What can be said of a twentieth fewer GPUs."""

    model_config = _FROZEN

    gpus: int
    """0.95 n, rounded down."""
    fails: Kept
    """Whether it breaks a promise, however it is split."""
    reason: str
    """Why: the fluid program proves it for every policy, or simulations show it."""
    clusters: tuple[SizedCluster, ...]
    """The clusters simulated for it. With a partition the first fails on the prefill side, as do
    those with fewer prefilling GPUs, and the second on the decode side, as do those with more."""


class TriedCluster(BaseModel):
    """A size the search looked at, with few replications."""

    model_config = _FROZEN

    gpus: int
    """n."""
    prefill_gpus: int | None
    """M; null where every GPU may prefill."""
    seems_to_keep: bool
    """Whether the means keep all promises: no claim."""
    broken: tuple[str, ...]
    """Names of the promises that the means break."""
    measured: dict[str, float | None]
    """Every promise as it was measured there, in the unit of its bound."""


class Cost(BaseModel):
    """What the cluster costs, in the money of `gpu.cost`."""

    model_config = _FROZEN

    per_hour: float
    """Money/h."""
    per_million_tokens: float
    """Per million tokens of finished requests, prompts and answers."""
    per_million_output_tokens: float
    """Per million tokens of answers."""


class NearestPromise(BaseModel):
    """A promise that was broken at every size tried, and one that the largest would keep."""

    model_config = _FROZEN

    name: str
    """Its name."""
    promised: float
    """The bound."""
    keepable: float
    """A bound that the largest cluster tried keeps with a twentieth to spare."""
    unit: str
    """Unit of both."""


class FluidGpus(BaseModel):
    """The fewest GPUs by the linear program."""

    model_config = _FROZEN

    gpus: float
    """n, real: no cluster with fewer keeps those promises that the program knows, under any policy
    of this kind."""
    prefill_gpus: dict[str, float]
    """GPUs that prefill, by class."""
    decode_gpus: dict[str, float]
    """GPUs that their decodes would fill, B a GPU, by class."""
    gpus_per_request: dict[str, float]
    """GPUs for one more request/s, by class."""


class SizedPolicy(BaseModel):
    """How many GPUs one policy needs."""

    model_config = _FROZEN

    policy: str
    """Name of the policy."""
    status: Literal["found", "undecided", "none"]
    """`found`: n keeps all promises with 95 % confidence. `undecided`: it seems so, and was not
    shown. `none`: no cluster tried seems to keep them."""
    fluid: FluidGpus | None
    """The fluid limit; null if no number of GPUs keeps the promises there."""
    first_guess: int
    """n by square-root staffing of the two stations, where the search began."""
    gpus: int | None
    """n; null if none was found."""
    prefill_gpus: int | None
    """M, GPUs that may prefill; null where every GPU may."""
    physical_gpus: int | None
    """n times `gpu.replica_gpus`."""
    cluster: SizedCluster | None
    """What simulation says of n."""
    smaller: SmallerCluster | None
    """What it says of a twentieth fewer."""
    classes: tuple[ClassAtSize, ...]
    """By class, at n."""
    cost: Cost | None
    """What it costs; null without `gpu.cost`."""
    tried: tuple[TriedCluster, ...]
    """What the search looked at."""
    nearest: tuple[NearestPromise, ...]
    """If none was found: what the largest cluster tried could promise."""
    band: SizeBand | None = None
    """The range of n that uncertain inputs leave; null if none was named, or no n found."""


class Sizing(BaseModel):
    """The fewest GPUs that serve a demand under its promises."""

    model_config = _FROZEN

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    instance: str
    """Name of the instance."""
    demand: str
    """Where the demand was read."""
    demand_sha256: str | None
    """SHA-256 of the demand file; null if it came from none."""
    demanded: tuple[DemandedClass, ...]
    """By class, in file order."""
    percentiles: tuple[LatencyPromise, ...]
    """Promises that only a simulation can judge."""
    promises: tuple[str, ...]
    """Names of the others; those of the instance are among them."""
    lengths: str
    """Law of the lengths."""
    seed: int
    """Seed of the random numbers."""
    replica_gpus: int
    """GPUs behind one replica, which the model calls a GPU."""
    policies: tuple[SizedPolicy, ...]
    """By policy."""
    best: str | None
    """The policy with the fewest GPUs; null if none was found."""
    next_commands: tuple[str, ...] = ()
    """What to type next for the best one: `gnr replay` and `gnr export` of that cluster, with LOG
    in the place of a log; empty unless made by `gnr size`."""
    complete: bool
    """False if interrupted: policies are then missing."""
    warnings: tuple[str, ...]
    """What should be known before the numbers are used."""
    provenance: Provenance
    """Where this result comes from."""

    def __repr__(self) -> str:
        """Return one line; `rich.print` shows the whole summary."""
        found = self.choice
        needs = "no cluster found" if found is None else f"{found.gpus} GPUs under {found.policy}"
        return f"Sizing({self.instance}, {self.demand}: {needs})"

    __str__ = __repr__

    @property
    def choice(self) -> SizedPolicy | None:
        """Return the policy with the fewest GPUs; None if none was found."""
        return next((each for each in self.policies if each.policy == self.best), None)

    @property
    def settled(self) -> bool:
        """Tell whether n was shown to be enough, and a twentieth fewer not to be."""
        found = self.choice
        return (
            found is not None
            and found.status == "found"
            and found.smaller is not None
            and found.smaller.fails == "yes"
        )

    def __rich__(self) -> Any:
        """Return the terminal summary."""
        from gnr.sizing_summary import summarize_sizing

        return summarize_sizing(self)

    def to_json(self, indent: int | None = 2) -> str:
        """Return the JSON document, floats at full precision."""
        return self.model_dump_json(indent=indent, by_alias=True)

    def write(self, folder: Path) -> Path:
        """Write the JSON document into `folder` and return its path."""
        return write_document(self.to_json(), folder, f"{self.instance}.size")
