"""From rates and lengths of classes to an instance, its load and its best plan."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gnr.arrays import Floats
from gnr.instance import Instance, RequestClass
from gnr.measure.log_blocks import ClassSums
from gnr.models.warm_program import WarmProgram
from gnr.rates import Rates, rates_of

ADMITTED = 1e-7
"""Share of a class that must be served for it to count as admitted."""

RARE = 1e-12
"""Share of all requests that stands for a class of which a resample has none."""


@dataclass(frozen=True)
class Workload:
    """Classes of a log or of a resample; arrays of shape ``(classes,)``.

    Attributes
    ----------
    share
        Share of the requests, positive.
    prompt_tokens, output_tokens
        Mean lengths, tokens; the prompt is what is planned with.
    """

    share: Floats
    prompt_tokens: Floats
    output_tokens: Floats


@dataclass(frozen=True)
class Loads:
    """What everybody's service takes, per GPU.

    Attributes
    ----------
    prefill, decode
        Prefill and decode capacity needed, over what there is.
    """

    prefill: float
    decode: float

    @property
    def largest(self) -> float:
        """Return the load of what is short first."""
        return max(self.prefill, self.decode)


def mean_lengths(sums: ClassSums, otherwise: Workload) -> tuple[Floats, Floats, Floats]:
    """Return mean prompt, output and cached tokens by class, shape ``(classes,)`` each.

    A class without requests has the lengths of `otherwise`, and nothing cached.
    """
    there, count = sums.requests > 0, np.maximum(sums.requests, 1.0)
    return (
        np.where(there, sums.prompt / count, otherwise.prompt_tokens),
        np.where(there, sums.output / count, otherwise.output_tokens),
        np.where(there, sums.cached / count, 0.0),
    )


def workload_of(sums: ClassSums, otherwise: Workload, effective: bool) -> Workload:
    """Return the workload of a log or of one resample; `effective`: without cached prompts.

    A class without requests keeps the lengths of `otherwise`, at a share of next to nothing.
    """
    prompt, output, saved = mean_lengths(sums, otherwise)
    total = sums.requests.sum()
    share = np.maximum(sums.requests / total, RARE) if total > 0 else otherwise.share
    there = sums.requests > 0
    planned = np.where(there, prompt - saved, otherwise.prompt_tokens) if effective else prompt
    return Workload(share, planned, output)


def with_workload(
    base: Instance, names: Sequence[str], work: Workload, total: float, patience: float
) -> Instance:
    """Return an instance with the GPU and prices of `base` and a workload of so many requests/s.

    `total` is the rate in all, requests/s per GPU.
    """
    classes = tuple(
        RequestClass(
            name=name,
            prompt_tokens=float(prompt),
            output_tokens=float(output),
            arrival_rate=float(share * total),
            patience_rate=patience,
        )
        for name, share, prompt, output in zip(
            names, work.share, work.prompt_tokens, work.output_tokens, strict=True
        )
    )
    return base.model_copy(update={"classes": classes, "slis": ()})


def loads_of(rates: Rates) -> Loads:
    """Return the loads of the two rows of the knapsack (D4) with everybody served."""
    return Loads(float(rates.prefill_load), float(rates.decode_load))


def capacity_of(instance: Instance) -> float:
    """Return the largest total rate with the shares of an instance that can be served in full.

    Both loads are proportional to the rates. Requests/s per GPU.
    """
    rates = rates_of(instance)
    return float(rates.arrival_rate.sum()) / loads_of(rates).largest


@dataclass(frozen=True)
class Planned:
    """The best plan for an instance; nan where the program has no answer.

    Attributes
    ----------
    revenue_rate
        Money/s per GPU.
    mixed_share
        Share of the GPUs with a prefill.
    served
        Share of each class that is served, shape ``(classes,)``.
    """

    revenue_rate: float
    mixed_share: float
    served: Floats


def best_plan(program: WarmProgram, instance: Instance) -> Planned:
    """Return the best plan, from a program that is kept between instances."""
    rates, found = rates_of(instance), program.optimum(instance)
    if found.point is None:
        nothing = float("nan")
        return Planned(nothing, nothing, np.full(rates.classes, nothing))
    point = found.point
    done = rates.mixed_decode * point.mixed_decode + rates.solo_decode * point.solo_decode
    share = np.clip(done / rates.arrival_rate, 0.0, 1.0)
    share = np.where(share > 1 - ADMITTED, 1.0, np.where(share < ADMITTED, 0.0, share))
    return Planned(found.revenue_rate, float(point.prefill.sum()), np.asarray(share))
