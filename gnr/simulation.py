"""What `gnr simulate` returns: measured revenue, occupancies and fates, with intervals."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gnr.atomic import complete_file
from gnr.instance import SCHEMA_VERSION
from gnr.plan import Occupancy
from gnr.provenance import Provenance
from gnr.result import NamedSli

_FROZEN = ConfigDict(frozen=True, use_attribute_docstrings=True)

Kept = Literal["yes", "no", "undecided"]
"""Whether promises are kept."""


class Estimate(BaseModel):
    """A mean over replications with the half-width of its t interval."""

    model_config = _FROZEN

    mean: float
    half_width: float


class RevenueEstimate(Estimate):
    """The revenue rate with its interval, money/s per GPU."""

    model_config = _FROZEN

    confidence: float
    """Probability with which the interval covers."""


class Latency(BaseModel):
    """How long requests took, s.

    Means over the replications in which there was one, null with fewer than two. Requests that
    left while waiting are in no mean.
    """

    model_config = _FROZEN

    wait_prefill: Estimate | None
    """Mean wait of the requests whose prefill started."""
    wait_decode: Estimate | None
    """Mean wait of the requests whose decode started, from the end of prefill."""
    ttft: Estimate | None
    """Mean time to first token, from arrival to the end of prefill."""
    ttft_p50: Estimate | None
    ttft_p95: Estimate | None
    ttft_p99: Estimate | None
    """Quantiles of the time to first token over requests, within 3 %."""
    tpot_p50: Estimate | None
    tpot_p95: Estimate | None
    tpot_p99: Estimate | None
    """Quantiles over requests of the mean time per output token while decoding."""
    end_to_end: Estimate | None
    """Mean time from arrival to the last token."""
    end_to_end_p50: Estimate | None
    end_to_end_p95: Estimate | None
    end_to_end_p99: Estimate | None
    """Quantiles of the end-to-end time over requests."""
    kv_transfers: Estimate | None
    """Decodes that started on another GPU than their prefill, a fraction of all that started."""


class ClassSimulation(BaseModel):
    """What was measured of one class; occupancies are time averages per GPU."""

    model_config = _FROZEN

    name: str
    """Name of the class."""
    prefill: Estimate
    """X / n, requests in prefill per GPU."""
    mixed_decode: Estimate
    """Y_m / n, requests decoding on mixed GPUs, per GPU."""
    solo_decode: Estimate
    """Y_s / n, requests decoding on solo GPUs, per GPU."""
    prefill_queue: Estimate
    """Q_p / n, requests waiting for prefill, per GPU."""
    decode_queue: Estimate
    """Q_d / n, requests waiting for a decode slot, per GPU."""
    throughput: Estimate
    """Finished requests, requests/s per GPU."""
    abandoned_prefill: Estimate
    """Requests that left before prefill, as a share of the arrivals expected."""
    abandoned_decode: Estimate
    """Requests that left before decode, as a share of the arrivals expected."""
    tpot: Estimate | None
    """Mean iteration time over the class's output tokens, s, over the replications in which it
    decoded; null with fewer than two."""
    latency: Latency | None
    """Of the class's requests; null for the pooled chain, which has no single requests."""


class WarmupCheck(BaseModel):
    """Whether runs from two starts agree: half of the lanes began empty, half at the plan."""

    model_config = _FROZEN

    delta: float
    """Largest difference that passes, as a fraction of the LP value."""
    difference: Estimate
    """Revenue from an empty cluster less that from the plan, as a fraction of the LP value."""
    agree: Literal["yes", "no", "undecided"]
    """`yes` if two one-sided tests at 5 % put the difference inside delta."""


class MeasuredPromise(NamedSli):
    """A service level indicator in a run: promised, planned, measured, kept or not."""

    promised: float | None
    """The bound; null for a penalty."""
    planned: float | None
    """The indicator at the plan's fluid point; null where it has no meaning (nobody is served)."""
    measured: Estimate | None
    """The indicator at the time averages of each run, over the runs in which it has a meaning;
    null with fewer than two. What is counted per request is taken from the averages too (Little's
    law), exactly as in the program."""
    served_only: Estimate | None
    """The same time as a mean over the requests that got that far, without the waits of those
    that left; null for other kinds and for the pooled chain, which has no single requests."""
    kept: Kept | None
    """`yes` if the whole interval of `measured` is on the right side of the bound, `no` if all of
    it is on the wrong side, else `undecided`, as also where a run has no value; null for a
    penalty. There is no tolerance: a plan at the bound is often missed by a little."""
    keepable: float | None
    """The tightest bound that a plan can keep beside the others, where `kept` is not `yes`; null
    otherwise and where there is none."""
    penalty: Estimate | None
    """What a penalty comes to at `measured`, money/s per GPU, not subtracted from any revenue;
    null for a promise."""


class PrecisionGoal(BaseModel):
    """The precision asked for and what came of it (Stein's two-stage rule)."""

    model_config = _FROZEN

    half_width: float
    """Half-width asked for, money/s per GPU."""
    replications_needed: int
    """Replications the rule asked for after the first stage."""
    reached: bool
    """Whether that many were run."""


class Simulation(BaseModel):
    """A simulated cluster of n GPUs under one policy, held against the LP optimum."""

    model_config = ConfigDict(
        frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True
    )

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    instance: str
    """Name of the instance."""
    policy: str
    """Name of the policy."""
    fidelity: Literal["pooled", "per-gpu"]
    """Which cluster was simulated (10.1(d'))."""
    lengths: str
    """Law of prompt and output lengths; their means are those of the instance."""
    gpus: int
    """n."""
    replications: int
    """Independent replications."""
    horizon_s: float
    """Measured window of each, s, the warm-up excluded."""
    warmup_s: float
    """Simulated time thrown away before it, s."""
    seed: int
    """Seed of the random numbers."""
    engine: str
    """Engine that ran it."""
    accounting: Literal["bundled", "separate"]
    """How revenue is counted."""
    lp_revenue_rate: float
    """Optimum without promises under this accounting, money/s per GPU."""
    plan_revenue_rate: float
    """What the plan earns by its own objective, before rounding, money/s per GPU."""
    revenue_rate: RevenueEstimate
    """Measured revenue, money/s per GPU."""
    gap: Estimate
    """1 - revenue / lp_revenue_rate."""
    plan_gap: Estimate | None
    """1 - revenue / what the plan's fluid point earns under this accounting: what the policy loses
    that its promises do not cost; null where that plan earns nothing."""
    gap_terms: dict[str, Estimate]
    """Where the gap comes from (eq. D11), money/s per GPU; the means add up to the gap times
    lp_revenue_rate, to rounding. `flow_errors` is what a finite run adds."""
    classes: tuple[ClassSimulation, ...]
    """By class, in file order."""
    latency: Latency | None
    """Of all requests; null for the pooled chain."""
    planned: dict[str, Occupancy]
    """The plan's fluid point by class, per GPU: what the occupancies would be at n = infinity
    under a policy that keeps the planned split."""
    promises: tuple[MeasuredPromise, ...]
    """The service level indicators, in file order."""
    warmup_check: WarmupCheck
    """Whether the start is forgotten."""
    precision: PrecisionGoal | None
    """With --precision; null otherwise."""
    complete: bool
    """False if the run was interrupted: the window is then shorter than asked for."""
    events: float
    """Events simulated, warm-up included."""
    events_per_second: float | None
    """Events per second of wall time; null for a part of a comparison or a convergence, whose parts
    may be simulated side by side."""
    warnings: tuple[str, ...]
    """What should be known before the numbers are used."""
    provenance: Provenance
    """Where this result comes from."""
    samples: dict[str, Any] = Field(default={}, exclude=True, repr=False)
    """Every measure by replication, arrays of shape ``(replications,)`` or
    ``(classes, replications)``; not in the JSON document."""

    def __repr__(self) -> str:
        """Return one line; `rich.print` shows the whole summary."""
        rate, half = self.revenue_rate.mean, self.revenue_rate.half_width
        return (
            f"Simulation({self.instance}, {self.policy}, {self.gpus} GPUs: "
            f"{rate:.6g} ± {half:.2g} money/s per GPU, gap {self.gap.mean:.3%})"
        )

    __str__ = __repr__

    @property
    def keeps_promises(self) -> Kept | None:
        """Return whether every promise is kept; None without any."""
        found = {each.kept for each in self.promises} - {None}
        if not found:
            return None
        return "no" if "no" in found else "undecided" if "undecided" in found else "yes"

    def __rich__(self) -> Any:
        """Return the terminal summary."""
        from gnr.simulation_summary import summarize_simulation

        return summarize_simulation(self)

    def to_json(self, indent: int | None = 2) -> str:
        """Return the JSON document, floats at full precision."""
        return self.model_dump_json(indent=indent, by_alias=True)

    def write(self, folder: Path) -> Path:
        """Write the JSON document into `folder` and return its path."""
        return write_document(self.to_json(), folder, f"{self.instance}.{self.policy}.simulation")


def write_document(text: str, folder: Path, stem: str) -> Path:
    """Write a JSON document as ``folder/stem.json`` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.json"
    with complete_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return path
