"""From rates, plan, policy and law of lengths to the numbers that the kernel reads."""

import numpy as np

from gnr.plan import ROUNDING, Plan
from gnr.rates import Rates
from gnr.validation.per_gpu.layout import Integers, Rules, row_of_gpu
from gnr.validation.per_gpu.lengths import LengthLaw
from gnr.validation.policies.gates import GateIndex
from gnr.validation.policies.policy import Policy


def make_rules(rates: Rates, plan: Plan, policy: Policy, lengths: LengthLaw) -> Rules:
    """Return the constants of a cluster of ``plan.gpus`` GPUs under a policy.

    Speeds are tokens/s of one stream: 1/tau_solo alone and 1/tau beside a prefill; a prompt token
    takes tau/C (eqs. P3, P4).
    """
    classes, slots = rates.classes, int(rates.batch_slots)
    layout = policy.layout(plan, slots)
    flat = np.zeros(classes)
    gate = policy.gate(plan) if policy.gate else GateIndex(flat, flat, flat)
    finish, holders = row_of_gpu(classes, slots)
    weighted = policy.router.weighted
    each = plan.classes
    return Rules(
        arrivals=np.cumsum(plan.gpus * rates.arrival_rate),
        patience=np.asarray(rates.patience_rate, float),
        prompt_tokens=np.asarray(rates.prompt_tokens, float),
        output_tokens=np.asarray(rates.output_tokens, float),
        law=np.full(classes, lengths.code, np.int64),
        spread=np.full(classes, lengths.spread),
        listed=np.concatenate(lengths.listed) if lengths.listed else np.zeros((1, 2)),
        listed_from=np.cumsum([0, *(len(part) for part in lengths.listed or [flat] * classes)]),
        speeds=np.array([1 / rates.solo_time, 1 / rates.mixed_time], float),
        prefill_time=float(rates.mixed_time / rates.chunk_tokens),
        slots=slots,
        finish=finish,
        holders=holders,
        prefill_gpus=layout.prefill_gpus,
        decode_slots=np.array([layout.mixed_group_slots, layout.solo_group_slots]),
        roomier_gpus=layout.roomier_gpus,
        in_order=int(policy.gate is None),
        slope=gate.slope,
        offset=gate.offset,
        limit=np.full(classes, np.inf) if gate.limit is None else gate.limit,
        queue_target=gate.queue_target,
        prefill_cap=gate.prefill_cap,
        most_prefills=float(np.ceil(gate.prefill_cap - ROUNDING)),
        crowded_offset=gate.offset if gate.crowded_offset is None else gate.crowded_offset,
        decodes_first=int(policy.decodes_first),
        prefill_first=int(policy.prefill_first),
        places=_places(policy),
        solo_probability=(
            np.array([one.solo_probability for one in each]) if policy.router.split else flat
        ),
        weights=np.array(
            [
                [one.mixed_weight if weighted else 0.0 for one in each],
                [one.solo_weight if weighted else 0.0 for one in each],
            ]
        ),
    )


def _places(policy: Policy) -> Integers:
    """Return the router's preferences, shape ``(2, preferences)``, filled up with zeros."""
    buffers = policy.router.buffers
    table = np.zeros((2, max(len(buffer) for buffer in buffers)), np.int64)
    for row, buffer in enumerate(buffers):
        table[row, : len(buffer)] = [int(place) for place in buffer]
    return table
