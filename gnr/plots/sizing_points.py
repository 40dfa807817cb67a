"""What pictures of `gnr size` are made of: bounds of promises, and clusters that were simulated."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from gnr.plots.save import clipped
from gnr.sizing import KeptPromise, NearestPromise, SizedCluster, SizedPolicy, Sizing

MOST_POLICIES = 6
"""Policies drawn: more lines cannot be told apart."""

LONGEST_NAME = 40
"""Letters of a promise above its panel."""


@dataclass(frozen=True)
class Bound:
    """A promise with its bound."""

    name: str
    unit: str
    direction: Literal["at_most", "at_least"]
    promised: float

    @property
    def factor(self) -> float:
        """Return what a value is multiplied by to be shown."""
        if self.unit.startswith("fraction"):
            return 100.0
        return 1e3 if self.unit == "s" and self.promised < 1 else 1.0

    @property
    def shown_unit(self) -> str:
        """Return the unit of what is shown."""
        if self.unit.startswith("fraction"):
            return f"% {self.unit.removeprefix('fraction').strip()}"
        return "ms" if self.factor > 1 else self.unit

    @property
    def words(self) -> str:
        """Return the promise in words: p99_ttft ≤ 900 ms."""
        sign = "≤" if self.direction == "at_most" else "≥"
        unit = "%" if self.unit.startswith("fraction") else self.shown_unit
        return f"{clipped(self.name, LONGEST_NAME)} {sign} {self.factor * self.promised:.4g} {unit}"

    def looser(self, value: float) -> float:
        """Return a value such that more is looser."""
        return value if self.direction == "at_most" else -value


@dataclass(frozen=True)
class Point:
    """A cluster that was simulated, and the names of the promises that its means break."""

    gpus: int
    measured: dict[str, float | None]
    broken: frozenset[str]

    def keeps_all_but(self, bound: Bound) -> bool:
        """Tell whether the other promises are kept."""
        return self.broken <= {bound.name}


def bounds_of(result: Sizing) -> list[Bound]:
    """Return the promises whose bounds the result tells, in its order."""
    told = [Bound(each.label, "s", "at_most", each.at_most) for each in result.percentiles]
    for policy in result.policies:
        told += [] if policy.cluster is None else map(_of_claim, policy.cluster.promises)
        told += map(of_nearest, policy.nearest)
    return list({each.name: each for each in told}.values())


def shown_bounds(result: Sizing, most: int) -> list[Bound]:
    """Return at most so many of them, rather those that some cluster breaks."""
    broken = {
        name
        for policy in result.policies
        for each in points_of(policy)
        for name in each.broken
    }  # fmt: skip
    bounds = bounds_of(result)
    chosen = sorted(bounds, key=lambda each: each.name not in broken)[:most]
    return [each for each in bounds if each in chosen]


def _of_claim(promise: KeptPromise) -> Bound:
    return Bound(promise.name, promise.unit, promise.direction, promise.promised)


def of_nearest(near: NearestPromise) -> Bound:
    """Return a promise that was broken."""
    upper = near.keepable > near.promised
    return Bound(near.name, near.unit, "at_most" if upper else "at_least", near.promised)


def points_of(policy: SizedPolicy) -> list[Point]:
    """Return the clusters of a policy that were simulated, each once, with the longest look."""
    points = {
        (each.gpus, each.prefill_gpus): Point(each.gpus, each.measured, frozenset(each.broken))
        for each in policy.tried
    }
    for cluster in claimed(policy):
        points[cluster.gpus, cluster.prefill_gpus] = Point(
            cluster.gpus,
            {each.name: None if each.measured is None else each.measured.mean
             for each in cluster.promises},
            frozenset(_broken(cluster)),
        )  # fmt: skip
    return list(points.values())


def claimed(policy: SizedPolicy) -> list[SizedCluster]:
    """Return the clusters that claims are about: the one found and those that should fail."""
    found = [] if policy.cluster is None else [policy.cluster]
    return [*found, *(() if policy.smaller is None else policy.smaller.clusters)]


def _broken(cluster: SizedCluster) -> Iterator[str]:
    """Yield the promises that a claim says are broken; undecided ones by their means."""
    for each in cluster.promises:
        bound, value = _of_claim(each), math.inf if each.measured is None else each.measured.mean
        worse = each.measured is None or bound.looser(value) > bound.looser(each.promised)
        if each.kept == "no" or (each.kept == "undecided" and worse):
            yield each.name


def staircase(points: Sequence[Point], bound: Bound) -> list[tuple[float, int]]:
    """Return where fewer GPUs begin to do as the bound is loosened, the other promises kept.

    Bounds and GPUs; up to the next bound the GPUs are the fewest tried.
    """
    usable = sorted(
        (bound.looser(value), each.gpus)
        for each in points
        for value in (each.measured.get(bound.name),)
        if value is not None and each.keeps_all_but(bound)
    )
    steps: list[tuple[float, int]] = []
    for value, gpus in usable:
        if not steps or gpus < steps[-1][1]:
            steps.append((bound.looser(value), gpus))
    return steps


def drawn_policies(result: Sizing) -> tuple[SizedPolicy, ...]:
    """Return the policies that are drawn."""
    return result.policies[:MOST_POLICIES]


def fluid_sizes(result: Sizing) -> list[float]:
    """Return the sizes by the linear program, the smaller one first: with mixed GPUs."""
    sizes: list[float] = []
    for gpus in sorted(each.fluid.gpus for each in result.policies if each.fluid is not None):
        if not sizes or not math.isclose(gpus, sizes[-1], rel_tol=1e-6):
            sizes.append(gpus)
    return sizes


def gpus_words(gpus: float) -> str:
    """Return a number of GPUs that need not be whole: to a tenth, where that can matter."""
    return f"{gpus:,.1f}" if gpus < 1000 else f"{gpus:,.0f}"


def fluid_names(sizes: Sequence[float]) -> tuple[str, ...]:
    """Return what the linear program is called at each of its sizes."""
    if len(sizes) == 1:
        return ("linear program",)
    return "linear program, mixed GPUs", "linear program, disaggregated"
