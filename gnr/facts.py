"""What a solution means, in numbers and sentences a planner understands; no layout here."""

from dataclasses import dataclass

from gnr.rates import rates_of
from gnr.result import ClassSolution, Range, Solution

HOUR = 3600.0
MILLION = 1e6
FULL = 1e-9
"""Relative room below which a capacity counts as full."""

CAPACITY_LABELS = {
    "prefill_capacity": "GPUs that prefill",
    "mixed_decode_capacity": "decode slots on mixed GPUs",
    "solo_decode_capacity": "decode slots on solo GPUs",
}


@dataclass(frozen=True)
class Fate:
    """Where the requests of a class end, as fractions of its arrivals."""

    served: float
    left_before_prefill: float
    left_before_decode: float


def fates(solution: Solution) -> list[Fate]:
    """Return for each class what becomes of its requests."""
    rates, found = rates_of(solution.instance), []
    for i, each in enumerate(solution.classes):
        arrivals = float(rates.arrival_rate[i])
        done = rates.mixed_decode[i] * each.mixed_decode + rates.solo_decode[i] * each.solo_decode
        waiting = float(rates.patience_rate[i])
        found.append(
            Fate(
                served=float(done) / arrivals,
                left_before_prefill=waiting * each.prefill_queue / arrivals,
                left_before_decode=waiting * each.decode_queue / arrivals,
            )
        )
    return found


def served_share(solution: Solution) -> float:
    """Return the fraction of all requests that is served."""
    rates = rates_of(solution.instance).arrival_rate
    served = sum(
        fate.served * float(rate) for fate, rate in zip(fates(solution), rates, strict=True)
    )
    return served / float(rates.sum())


def revenue_per_token(solution: Solution) -> float | None:
    """Return money per billed token, prompts and outputs alike; None if none is billed.

    Bundled: the tokens of finished requests; separate: all prompts read and outputs written.
    """
    rates, bundled = rates_of(solution.instance), solution.scheme == "bundled"
    tokens = 0.0
    for i, fate in enumerate(fates(solution)):
        prefilled = fate.served if bundled else 1 - fate.left_before_prefill
        billed = prefilled * rates.prompt_tokens[i] + fate.served * rates.output_tokens[i]
        tokens += float(rates.arrival_rate[i] * billed)
    return (solution.revenue_rate or 0.0) / tokens if tokens > 0 else None


def capacity_gain(solution: Solution, capacity: str) -> float | None:
    """Return what one more unit of a capacity earns, money/s; None if it cannot be told."""
    assert solution.unique is not None
    ends = solution.unique.ranges.marginals.get(capacity)
    return (solution.marginals[capacity] or 0.0) if ends is None else ends[0]


def request_gain(solution: Solution, of: ClassSolution) -> float | None:
    """Return what one more request of a class earns, money; None if it cannot be served."""
    assert solution.unique is not None
    ends = solution.unique.ranges.marginal_value.get(of.name)
    return of.marginal_value if ends is None else ends[0]


def gpu_gain(solution: Solution) -> float:
    """Return what one more GPU earns at the same demand, money/s."""
    assert solution.unique is not None
    ends = solution.unique.ranges.gpu_value
    gain = solution.gpu_value if ends is None else ends[0]
    return gain or 0.0


def money(amount: float | None) -> str:
    """Return an amount with five digits, in scientific notation only if it is tiny."""
    if amount is None:
        return "none"
    if abs(amount) >= 1e5:
        return f"{amount:,.0f}"
    return f"{amount:.6g}" if abs(amount) >= 1 else f"{amount:.5g}"


def milliseconds(seconds: float | None) -> str:
    """Return a time in ms with one decimal."""
    return "-" if seconds is None else f"{1e3 * seconds:.1f} ms"


def earnings(solution: Solution) -> str:
    """Return the revenue in words: per GPU-second, per GPU-hour, per million tokens."""
    rate, token = solution.revenue_rate or 0.0, revenue_per_token(solution)
    per_million = "" if token is None else f", {money(token * MILLION)} per million tokens billed"
    return f"{money(rate)} money/s per GPU, {money(rate * HOUR)} per GPU-hour{per_million}"


def alternatives(solution: Solution) -> list[str]:
    """Return in sentences what else earns as much as the plan shown."""
    unique, told = solution.unique, []
    if unique is None:
        return []
    if unique.prefill is None:
        told.append("Whether other plans earn the same is not looked into here.")
    elif not unique.prefill:
        told.append(
            "Other choices of which requests to let in earn the same; shown is one of them."
        )
    if unique.mixed_decode is False or unique.solo_decode is False:
        told.append(f"Other splits of the decodes earn the same; shown: {unique.reported}.")
    return told


def kinks(solution: Solution) -> list[str]:
    """Return where one more unit earns less than one fewer costs."""
    if solution.unique is None:
        return []
    ranges = solution.unique.ranges
    found: dict[str, Range] = {
        CAPACITY_LABELS[key]: ends
        for key, ends in ranges.marginals.items()
        if key in CAPACITY_LABELS
    }
    found |= {f"requests of {name}": ends for name, ends in ranges.marginal_value.items()}
    if ranges.gpu_value is not None:
        found["GPUs"] = ranges.gpu_value
    return [
        f"{what}: one more earns {_end(gain, 'cannot be served')}, "
        f"one fewer costs {_end(loss, 'everything')}"
        for what, (gain, loss) in found.items()
    ]


def _end(value: float | None, beyond: str) -> str:
    return beyond if value is None else money(value)
