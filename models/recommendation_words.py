"""Why a policy is recommended, and how far the evidence reaches, in sentences."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from gnr.models.lost_revenue import LOSSES
from gnr.models.situation import TITLES, figures_of
from gnr.rates import rates_of
from gnr.recommendation import KindRecord, PolicyRecord, SizeRecord
from gnr.result import Solution

STRETCH = 1.25
"""Factor beyond the range of a figure in the runs from which an instance lies outside of it."""

TOLD = 5e-5
"""Share of the optimum from which a loss is told."""

FIGURES: Mapping[str, str] = MappingProxyType(
    {
        "batch_slots": "batch slots",
        "classes": "classes",
        "speed_ratio": "kappa",
        "mixed_share": "mixed GPUs per GPU",
        "load": "times the load that can be served",
    }
)
"""What the figures of an instance are called."""


def reasons(
    solution: Solution,
    record: KindRecord,
    size: SizeRecord,
    rivals: Sequence[PolicyRecord],
    outside: Sequence[str],
) -> tuple[str, ...]:
    """Return why the first policy of `size` is named."""
    best = size.policies[0]
    told = [_what_it_left(record, size), *_losses(best), *_next(record, size, rivals)]
    pricing = pricing_of(solution, best)
    if pricing != solution.scheme:
        told.append(
            f"It follows the plan for {pricing} pricing: solve again with --set "
            f"prices.scheme={pricing} for its targets."
        )
    if outside:
        told.append(f"Not simulated: {'; '.join(outside)}.")
    return tuple(told)


def pricing_of(solution: Solution, policy: PolicyRecord) -> str:
    """Return the pricing that a policy plans by: that of the instance where it can."""
    return solution.scheme if solution.scheme in policy.plans_for else policy.plans_for[0]


def extrapolations(solution: Solution, gpus: int, record: KindRecord) -> tuple[str, ...]:
    """Return in which respects a cluster lies outside of the runs."""
    return (
        *_other_figures(solution, gpus, record),
        *_other_promises(solution, record),
    )


def _other_figures(solution: Solution, gpus: int, record: KindRecord) -> Iterator[str]:
    fewest, most = record.sizes[0].gpus, record.sizes[-1].gpus
    if not fewest <= gpus <= most:
        yield f"{gpus:,} GPUs, only {fewest} to {most}"
    for name, value in figures_of(solution).items():
        least, largest = record.ranges[name]
        if not least / STRETCH <= value <= largest * STRETCH:
            yield f"{value:.3g} {FIGURES[name]}, only {least:.3g} to {largest:.3g}"
    if any(rates_of(solution.instance).patience_rate == 0):
        yield "classes that never leave"


def _other_promises(solution: Solution, record: KindRecord) -> Iterator[str]:
    if len(solution.promises) > 1:
        yield "several promises at once"
        return
    for each in solution.promises:
        if each.bound is None:
            yield f"a penalty on {each.name}"
        elif each.price == 0:
            yield f"whether it keeps {each.name}, which costs nothing at this plan"
        elif each.direction == "at_least":
            yield f"{each.name} with at_least"
        elif each.kind not in record.promised or each.class_name is not None:
            yield f"a promised {each.name}, only {', '.join(record.promised)} of the whole cluster"
        elif solution.scheme == "separate":
            yield "promises under separate pricing"


def _what_it_left(record: KindRecord, size: SizeRecord) -> str:
    best = size.policies[0]
    kept = "" if best.kept_on is None else _kept(best, record.instances)
    return (
        f"In runs on {record.instances} random instances of this kind ({TITLES[record.kind]}) at "
        f"{size.gpus} GPUs it left {_share(best.gap.mean)} ± {_share(best.gap.half_width)} of the "
        f"optimum, {_share(best.least_gap)} to {_share(best.worst_gap)}{kept}."
    )


def _kept(best: PolicyRecord, instances: int) -> str:
    if best.kept_on == instances:
        return ", and kept the promise on all of them"
    return (
        f", and surely kept the promise on {best.kept_on} of them, surely broke it on "
        f"{best.broken_on}"
    )


def _losses(best: PolicyRecord) -> Iterator[str]:
    """Yield where the best policy loses what it loses, the most first."""
    found = {name: share for name, share in best.terms.items() if share >= TOLD}
    if found:
        order = sorted(found, key=lambda name: -found[name])
        yield f"Lost to {', '.join(f'{LOSSES[name]} {_share(found[name])}' for name in order)}."


def _next(record: KindRecord, size: SizeRecord, rivals: Sequence[PolicyRecord]) -> Iterator[str]:
    """Yield how far the others are behind, and what costs the next one most."""
    if rivals:
        yield f"Not shown to be worse: {', '.join(_behind(record, each) for each in rivals)}."
        return
    best, second = size.policies[:2]
    if second.behind is None:
        yield "Every other policy broke the promise more often."
        return
    cost = max(LOSSES, key=lambda name: second.terms[name] - best.terms[name])
    yield f"Next is {_behind(record, second)}, most of it by {LOSSES[cost]}."


def _behind(record: KindRecord, other: PolicyRecord) -> str:
    """Return a policy in words, and how far it is behind the best."""
    assert other.behind is not None
    return (
        f"{other.policy} ({_share(other.behind.mean)} ± {_share(other.behind.half_width)} behind, "
        f"worse on {other.worse_on} of {record.instances})"
    )


def _share(share: float) -> str:
    return f"{share:.2%}"
