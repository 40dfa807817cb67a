"""The plan: what a policy needs to run a cluster of n GPUs (THEORY 5 and 12)."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from gnr.arrays import Flags, Floats
from gnr.errors import InputError, Problem
from gnr.rates import Rates
from gnr.recommendation import Recommendation
from gnr.schema_errors import show

ROUNDING = 1e-9
"""Slack of the group size against solver noise (Algorithm 1, step 2)."""

MOST_GPUS = 10**12
"""Largest cluster that is planned; beyond it counts lose their last digit."""

SHORT_OF_SLOTS = 1.05
"""Planned decodes over the slots of whole GPUs above which the plan comes with a warning."""

ZERO_MARGINAL = 1e-9
"""A marginal value below this share of the class's reward counts as 0 (section 12)."""


class ClassPlan(BaseModel):
    """What the plan says of one class; numbers of the whole cluster unless said otherwise."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    name: str
    """Name of the class."""
    admitted: bool
    """False if the optimum shuts the class out: the gate never admits it (10.1(b))."""
    gate_target: float
    """n x_i, requests in prefill the gate steers to (Algorithm 2)."""
    queue_target: float
    """n q_p,i, requests waiting for prefill, breaks ties of the gate (eq. U5)."""
    mixed_decode_target: float
    """n y_m,i, requests decoding on mixed GPUs."""
    solo_decode_target: float
    """n y_s,i, requests decoding on solo GPUs."""
    mixed_queue_target: float
    """n q_d,m,i, requests waiting for a mixed decode slot (eq. U9)."""
    solo_queue_target: float
    """n q_d,s,i, requests waiting for a solo decode slot (eq. U9)."""
    solo_probability: float
    """p_s,i, chance that a finished prefill is sent to the solo group (eqs. U7, U8)."""
    mixed_weight: float
    """Weight of the class when a mixed decode slot frees (eq. U10)."""
    solo_weight: float
    """Weight of the class when a solo decode slot frees (eq. U10)."""
    prefill_index: float
    """D_i / P_i, the ranking of prioritize-and-route (eq. U6)."""
    rank: int | None
    """Place in the price-index ranking, 1 first; marginal classes share the last place;
    None if the class is not admitted (section 12)."""
    prefill_limit: int | None = None
    """Most requests of the class in prefill at once under backpressure; null where nothing limits
    them. A plan made for n GPUs may keep prefill slots free of the marginal classes by it."""


class Plan(BaseModel):
    """A plan for n GPUs; it knows which objective it was made for."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    objective: str
    """Scheme of the program solved: `bundled` (P40) or `separate` (P42)."""
    promises: tuple[str, ...]
    """Names of the service level indicators in the program."""
    empty_decode_buffer: bool
    """Whether the planned decode buffer is empty, as gate-and-route and sli-aware need."""
    disaggregated: bool
    """Whether the mixed group only prefills, without decode slots (y_m = 0)."""
    revenue_rate: float
    """Planned revenue, money/s per GPU, before rounding to whole GPUs."""
    gpus: int = Field(ge=1)
    """n, size of the cluster."""
    mixed_gpus: int
    """M, GPUs that keep one slot for prefill: ceil(n x) (eq. U3), unless another number was asked
    for; if disaggregated they use no other."""
    solo_gpus: int
    """n - M, GPUs that only decode."""
    mixed_decode_slots: int
    """Decode slots of the mixed group, M (B - 1); 0 if disaggregated."""
    solo_decode_slots: int
    """Decode slots of the solo group, (n - M) B."""
    prefill_cap: float | None = None
    """n X_c, most requests in prefill on average that the promised mean time per output token
    allows (eq. D7); null where nothing caps them."""
    classes: tuple[ClassPlan, ...]
    warnings: tuple[str, ...]
    """Where whole GPUs cannot follow the plan."""
    recommendation: Recommendation | None = None
    """Which policy to run, and why; null unless asked for, and for a disaggregated plan, which one
    policy alone follows."""


class Occupancy(BaseModel):
    """Long-run numbers per GPU: the five variables of the linear programs."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    prefill: float
    """x, requests in prefill per GPU: the fraction of GPUs that are mixed."""
    mixed_decode: float
    """y_m, requests decoding on mixed GPUs, per GPU."""
    solo_decode: float
    """y_s, requests decoding on solo GPUs, per GPU."""
    prefill_queue: float
    """q_p, requests waiting for prefill, per GPU."""
    decode_queue: float
    """q_d, requests waiting for a decode slot, per GPU."""


def make_plan(
    *,
    gpus: int,
    objective: str,
    promises: Sequence[str],
    disaggregated: bool,
    revenue_rate: float,
    rates: Rates,
    names: Sequence[str],
    occupancy: Sequence[Occupancy],
    marginal_value: Sequence[float],
    most_prefill: float | None = None,
) -> Plan:
    """Return the plan for `gpus` GPUs that follows from an optimum (Algorithms 1, 6, 7, 9).

    Parameters
    ----------
    gpus
        n, at least 1.
    objective, promises, disaggregated
        What the optimum was computed for.
    revenue_rate
        Its value, money/s per GPU.
    rates
        Rates of the instance, class arrays of shape ``(classes,)``.
    names, occupancy, marginal_value
        Per class: name, occupancies per GPU, phi-hat in money per request.
    most_prefill
        Largest prefill occupancy per GPU that the promises allow; None: any.

    Raises
    ------
    InputError
        If `gpus` is not a positive integer.
    """
    if isinstance(gpus, bool) or not isinstance(gpus, int) or not 1 <= gpus <= MOST_GPUS:
        raise InputError(
            [
                Problem(
                    "gpus-range",
                    "--gpus",
                    "",
                    f"must be an integer from 1 to {MOST_GPUS:,}, got {show(gpus)} (GPUs)",
                    "for example 500",
                )
            ]
        )
    x, y_m, y_s, q_p, q_d = (
        np.array([getattr(each, field) for each in occupancy]) for field in Occupancy.model_fields
    )
    mixed_gpus = min(gpus, math.ceil(gpus * float(x.sum()) - ROUNDING))
    mixed_rate, solo_rate = rates.mixed_decode * y_m, rates.solo_decode * y_s
    served = mixed_rate + solo_rate
    solo_share = np.where(served > 0, solo_rate / np.where(served > 0, served, 1.0), 1.0)
    mixed_weight, solo_weight = _shares(mixed_rate), _shares(solo_rate)
    ranks = price_index_ranks(x, np.asarray(marginal_value), rates.reward)
    classes = tuple(
        ClassPlan(
            name=name,
            admitted=bool(x[i] > 0),
            gate_target=gpus * float(x[i]),
            queue_target=gpus * float(q_p[i]),
            mixed_decode_target=gpus * float(y_m[i]),
            solo_decode_target=gpus * float(y_s[i]),
            mixed_queue_target=gpus * float((1 - solo_share[i]) * q_d[i]),
            solo_queue_target=gpus * float(solo_share[i] * q_d[i]),
            solo_probability=float(solo_share[i]),
            mixed_weight=float(mixed_weight[i]),
            solo_weight=float(solo_weight[i]),
            prefill_index=float(rates.output_tokens[i] / rates.prompt_tokens[i]),
            rank=ranks[i],
        )
        for i, name in enumerate(names)
    )
    slots_beside_prefill = 0 if disaggregated else int(rates.batch_slots) - 1
    slots = {
        "mixed": (float(y_m.sum()), mixed_gpus * slots_beside_prefill),
        "solo": (float(y_s.sum()), (gpus - mixed_gpus) * int(rates.batch_slots)),
    }
    remedy = _large_enough(mixed_gpus, float(x.sum()), float(y_s.sum()), int(rates.batch_slots))
    return Plan(
        objective=objective,
        promises=tuple(promises),
        empty_decode_buffer=bool(np.all(q_d <= 0)),
        disaggregated=disaggregated,
        revenue_rate=revenue_rate,
        gpus=gpus,
        mixed_gpus=mixed_gpus,
        solo_gpus=gpus - mixed_gpus,
        mixed_decode_slots=slots["mixed"][1],
        solo_decode_slots=slots["solo"][1],
        prefill_cap=None if most_prefill is None else gpus * most_prefill,
        classes=classes,
        warnings=_short_of_slots(gpus, slots, remedy),
    )


def with_mixed_gpus(plan: Plan, mixed_gpus: int, batch_slots: int) -> Plan:
    """Return the same plan with another number of GPUs that may prefill.

    The order in which the gate lets classes in stays. Requests in prefill beyond M are given up in
    proportion; planned decodes beyond the slots of their group move to the other one as far as it
    has room, in proportion too. Queue targets, probabilities and weights stay those of the optimum.

    Parameters
    ----------
    plan
        A plan for n GPUs.
    mixed_gpus
        M, from 0 to n.
    batch_slots
        B, slots of a GPU.

    Raises
    ------
    InputError
        If `mixed_gpus` is not an integer from 0 to n.
    """
    whole = isinstance(mixed_gpus, int) and not isinstance(mixed_gpus, bool)
    if not whole or not 0 <= mixed_gpus <= plan.gpus:
        raise InputError([_no_group(plan, mixed_gpus)])
    solo_gpus = plan.gpus - mixed_gpus
    mixed_slots = 0 if plan.disaggregated else mixed_gpus * (batch_slots - 1)
    solo_slots = solo_gpus * batch_slots
    prefill = np.array([each.gate_target for each in plan.classes])
    mixed = np.array([each.mixed_decode_target for each in plan.classes])
    solo = np.array([each.solo_decode_target for each in plan.classes])
    prefill, _ = _fitted(prefill, mixed_gpus)
    mixed_stay, mixed_go = _fitted(mixed, mixed_slots)
    solo_stay, solo_go = _fitted(solo, solo_slots)
    mixed_come, _ = _fitted(solo_go, mixed_slots - float(mixed_stay.sum()))
    solo_come, _ = _fitted(mixed_go, solo_slots - float(solo_stay.sum()))
    decodes = float(mixed.sum() + solo.sum())
    short = {"its": (decodes / plan.gpus, mixed_slots + solo_slots)}
    return plan.model_copy(
        update={
            "mixed_gpus": mixed_gpus,
            "solo_gpus": solo_gpus,
            "mixed_decode_slots": mixed_slots,
            "solo_decode_slots": solo_slots,
            "classes": tuple(
                each.model_copy(
                    update={
                        "gate_target": float(prefill[i]),
                        "mixed_decode_target": float(mixed_stay[i] + mixed_come[i]),
                        "solo_decode_target": float(solo_stay[i] + solo_come[i]),
                    }
                )
                for i, each in enumerate(plan.classes)
            ),
            "warnings": _short_of_slots(plan.gpus, short, ""),
        }
    )


def check_group(plan: Plan, mixed_gpus: int) -> None:
    """Raise `InputError` if nobody would be served with that many GPUs that may prefill.

    That is from 1 to n, less one if those do not decode.
    """
    most = plan.gpus - 1 if plan.disaggregated else plan.gpus
    if 1 <= mixed_gpus <= most:
        return
    if most == 0:
        message, remedy = "cannot split one GPU", "say --gpus 2 or more"
    else:
        beside = ", one less than --gpus: they do not decode" if plan.disaggregated else " (--gpus)"
        message = f"must be from 1 to {most:,}{beside}; got {show(mixed_gpus)}"
        remedy = f"say {min(max(plan.mixed_gpus, 1), most)}, as in the plan, or leave it out"
    raise InputError([Problem("mixed-gpus-range", "--mixed-gpus", "", message, remedy)])


def other_group(plan: Plan, mixed_gpus: int) -> str:
    """Return in words that a group was asked for in the place of the plan's own."""
    return (
        f"{mixed_gpus:,} of {plan.gpus:,} GPUs prefill, as asked for; the plan's own group has "
        f"{plan.mixed_gpus:,}. The targets are fitted to the group; revenue, probabilities and "
        "ranks are those of the optimum"
    )


def _no_group(plan: Plan, mixed_gpus: object) -> Problem:
    message = f"must be an integer from 0 to {plan.gpus:,}, got {show(mixed_gpus)} (GPUs)"
    return Problem("mixed-gpus-range", "mixed_gpus", "", message, f"say {plan.mixed_gpus}")


def _fitted(counts: Floats, room: float) -> tuple[Floats, Floats]:
    """Return the part of `counts` that has room, in proportion, and the rest."""
    total, room = float(counts.sum()), max(room, 0.0)  # rounding may leave less than nothing
    kept = counts if total <= room else counts * (room / total)
    return kept, counts - kept


def _short_of_slots(
    gpus: int, slots: Mapping[str, tuple[float, int]], remedy: str
) -> tuple[str, ...]:
    """Return a warning for each group whose planned decodes per GPU of n exceed its slots."""
    return tuple(
        f"the plan for {gpus} GPUs wants {gpus * wanted:.1f} decodes on {group} GPUs, but "
        f"there is room for {room}: the cluster is too small to follow it{remedy}"
        for group, (wanted, room) in slots.items()
        if gpus * wanted > SHORT_OF_SLOTS * room
    )


def _large_enough(mixed_gpus: int, prefill: float, solo_decode: float, batch_slots: int) -> str:
    """Return from how many GPUs on rounding n x up to whole GPUs leaves enough solo slots.

    That takes less than one GPU, so that (n (1 - x) - 1) B slots are there at least.
    """
    room = SHORT_OF_SLOTS * batch_slots
    spare = room * (1 - prefill) - solo_decode
    enough = room / spare if spare > 0 else math.inf
    if enough > MOST_GPUS:
        return ""
    return f" (mixed GPUs are rounded up to {mixed_gpus}; {math.ceil(enough):,} GPUs are enough)"


def price_index_ranks(prefill: Floats, marginal_value: Floats, reward: Floats) -> list[int | None]:
    """Return the price-index rank of each class (section 12); arrays of shape ``(classes,)``.

    Admitted classes are ranked by decreasing marginal value; those whose marginal value is 0,
    the marginal classes, share the last rank; classes that are shut out have none.
    """
    marginal = worth_nothing(marginal_value, reward)
    admitted = [i for i in range(len(prefill)) if prefill[i] > 0]
    valuable = sorted((i for i in admitted if not marginal[i]), key=lambda i: -marginal_value[i])
    ranks: list[int | None] = [None] * len(prefill)
    for place, i in enumerate(valuable, start=1):
        ranks[i] = place
    for i in admitted:
        if marginal[i]:
            ranks[i] = len(valuable) + 1
    return ranks


def worth_nothing(marginal_value: Floats, reward: Floats) -> Flags:
    """Return whether one more request of each class earns nothing more, to rounding (section 12).

    Arguments are in money per request; all arrays have shape ``(classes,)``. An admitted class
    for which this is true is a marginal one.
    """
    return marginal_value <= ZERO_MARGINAL * reward


def _shares(flow: Floats) -> Floats:
    """Return `flow` over its sum, with 0/0 = 0 (eq. U10)."""
    total = float(flow.sum())
    return flow / total if total > 0 else np.zeros_like(flow)
