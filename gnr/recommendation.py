"""Which policy to run at n GPUs, and what the comparison runs show that say so."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from gnr.instance import SCHEMA_VERSION

_FROZEN = ConfigDict(frozen=True, use_attribute_docstrings=True)

Kind = Literal[
    "light",
    "mostly_solo",
    "mostly_mixed",
    "two_marginal",
    "slow_solo",
    "separate_prefill",
    "separate_decode",
    "mean_tpot",
    "token_tpot",
    "other_promises",
]
"""Kinds of instance that are told apart; see `gnr.models.situation`."""

Clear = Literal["yes", "no", "undecided"]
"""Whether one policy is clearly best."""


class Share(BaseModel):
    """A share of the optimum: mean over instances with the half-width of its t interval."""

    model_config = _FROZEN

    mean: float
    half_width: float


class PolicyRecord(BaseModel):
    """What one policy did on the random instances of one kind at one cluster size.

    Gaps are shares of the optimum, under promises of the best plan that keeps them.
    """

    model_config = _FROZEN

    policy: str
    """Name of the policy."""
    plans_for: tuple[str, ...]
    """Pricing schemes of the programs that it can plan by."""
    gap: Share
    """What it leaves of the optimum: mean over the instances with its 95 % t interval."""
    least_gap: float
    """The least it left on any of them."""
    worst_gap: float
    """The most it left on any of them."""
    smallest_on: int
    """Instances on which no policy left less; under promises of those that break as few."""
    terms: dict[str, float]
    """Where the gap comes from (eq. D11), means over the instances; they add up to it. Under
    promises the terms of the plan, the price of the promises, are subtracted."""
    kept_on: int | None
    """Instances on which it surely kept the promise, to 0.1 % of its bound; null without."""
    broken_on: int | None
    """Instances on which it surely broke it."""
    behind: Share | None
    """Its gap less that of the best policy on the same instances and random numbers, with its 95 %
    t interval. Null for the best one, and for one that broke the promise on more instances."""
    worse_on: int | None
    """Instances on which it left more than the best policy; null where `behind` is."""
    clearly_worse: bool | None
    """Whether it is behind and left more than the best policy on more than half of all instances
    of the kind, by sign tests of all pairs at this size, corrected together (Holm, 5 %); null
    where `behind` is."""


class SizeRecord(BaseModel):
    """All policies on the random instances of one kind at one cluster size."""

    model_config = _FROZEN

    gpus: int
    """n."""
    policies: tuple[PolicyRecord, ...]
    """The best one first: the smallest mean gap of those that broke promises least often."""


class KindRecord(BaseModel):
    """The comparison runs on one kind of instance."""

    model_config = _FROZEN

    kind: Kind
    """Which kind."""
    instances: int
    """Random instances simulated, the same at every size."""
    promised: tuple[str, ...]
    """What was promised, one of these each; empty without promises."""
    ranges: dict[str, tuple[float, float]]
    """Least and largest of the figures of `gnr.models.situation.figures_of`."""
    sizes: tuple[SizeRecord, ...]
    """Small clusters first."""


class Evidence(BaseModel):
    """The table that recommendations are read from; computed from kept comparison runs."""

    model_config = _FROZEN

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    source: str
    """File of the kept runs."""
    date: str
    """Day of the last of them."""
    seed: int
    """Seed of the instances and of the runs."""
    rule: str
    """How instances were drawn."""
    runs: str
    """How they were simulated."""
    kinds: tuple[KindRecord, ...]
    """One for each kind."""


class Recommendation(BaseModel):
    """Which policy to run on a cluster of n GPUs, and why."""

    model_config = _FROZEN

    policy: str
    """The policy with the smallest mean gap in the runs; under promises of those that broke them
    on the fewest instances."""
    plans_for: str
    """Pricing scheme of the program to plan it by."""
    clear: Clear
    """Whether it is clearly best: `yes` if every other policy is clearly worse, or breaks promises
    that it keeps; `no` if the others come as close, within 0.1 % of the optimum; else, and where
    nothing like this cluster was simulated, `undecided`."""
    kind: Kind
    """Kind of the instance."""
    situation: str
    """The kind in words."""
    why: tuple[str, ...]
    """The reasons, in sentences."""
    measured_gpus: int
    """Cluster size of the runs that are read, by ratio the nearest to n."""
    instances: int
    """Random instances in them."""
    source: str
    """File of the runs that are kept."""
    expected: PolicyRecord
    """What it did in these runs."""
    runner_up: PolicyRecord
    """The next best policy."""
    rivals: tuple[str, ...]
    """Policies that it is not shown to be better than; empty if it is clearly best."""
    extrapolated: tuple[str, ...]
    """In which respects this cluster lies outside of what was simulated, in words."""
