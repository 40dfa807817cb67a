"""The policies of the pooled chain: which waiting request to prefill next, and where to decode.

Add a policy by adding one entry to `POOLED` (THEORY 5).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

import numpy as np

from gnr.arrays import Floats
from gnr.errors import InputError, Problem
from gnr.plan import Plan

SIGNIFICANT_DIGITS = 12
"""Digits of a gate target that count: solver noise must not break a tie of equal targets."""


@dataclass(frozen=True)
class GateIndex:
    """Index of each class at the gate, least first: ``slope * X + offset``; shape ``(classes,)``.

    Ties go to the largest Q_p minus `queue_target` (eq. U5), then to the first in the file.
    An infinite offset shuts a class out (10.1(b)).
    """

    slope: Floats
    offset: Floats
    queue_target: Floats


def occupancy_gate(plan: Plan) -> GateIndex:
    """Return the gate that keeps X_i at its target: least X_i / x_i first (eq. U4)."""
    target = np.array([float(f"{one.gate_target:.{SIGNIFICANT_DIGITS}g}") for one in plan.classes])
    admitted = np.array([one.admitted for one in plan.classes]) & (target > 0)
    return GateIndex(
        slope=np.where(admitted, 1 / np.where(admitted, target, 1.0), 0.0),
        offset=np.where(admitted, 0.0, np.inf),
        queue_target=np.array([one.queue_target for one in plan.classes]),
    )


def priority_gate(plan: Plan) -> GateIndex:
    """Return the gate of strict priority: largest D_i / P_i first (eq. U6)."""
    index = np.array([one.prefill_index for one in plan.classes])
    return GateIndex(slope=np.zeros_like(index), offset=-index, queue_target=np.zeros_like(index))


@dataclass(frozen=True)
class PooledPolicy:
    """A policy of the pooled chain.

    Attributes
    ----------
    name
        As on the command line.
    source
        Where it is defined.
    objectives
        Programs whose plan it can follow.
    empty_decode_buffer
        Whether it needs a plan with q_d = 0.
    gate
        Makes the gate's index from a plan; None: first come, first served over all classes, that
        is, a class drawn in proportion to the prefill queue's counts.
    split_buffers
        False: one decode buffer, solo slots first (Algorithm 3). True: a finished prefill draws
        its group and waits for that group alone (Algorithm 6).
    weighted
        Whether a freed slot draws its class by the weights (eq. U11) rather than by the counts.
        Classes of zero weight are then served, by counts, only when nothing else waits, so that
        no slot idles beside a waiting request (10.2).
    """

    name: str
    source: str
    objectives: tuple[str, ...]
    empty_decode_buffer: bool
    gate: Callable[[Plan], GateIndex] | None
    split_buffers: bool = False
    weighted: bool = False

    def check(self, plan: Plan) -> None:
        """Raise `InputError` unless the policy can follow `plan`."""
        if plan.objective not in self.objectives:
            raise InputError([_wrong_plan(self, plan)])
        if self.empty_decode_buffer and not plan.empty_decode_buffer:
            raise InputError([_queueing_plan(self)])


_BOTH = ("bundled", "separate")

POOLED: Mapping[str, PooledPolicy] = MappingProxyType(
    {
        policy.name: policy
        for policy in (
            PooledPolicy("gate-and-route", "Algorithm 4", ("bundled",), False, occupancy_gate),
            PooledPolicy(
                "prioritize-and-route", "Algorithm 5", ("separate",), False, priority_gate
            ),
            PooledPolicy("sli-aware", "Algorithm 6", _BOTH, True, occupancy_gate, True),
            PooledPolicy(
                "sli-aware-general", "Algorithm 7", _BOTH, False, occupancy_gate, True, True
            ),
            PooledPolicy("fcfs-route", "Algorithm 8, FG-SP", ("bundled",), False, None),
        )
    }
)
"""The pooled policies by name."""


DEFAULT_POLICY: Mapping[str, str] = MappingProxyType(
    {"bundled": "gate-and-route", "separate": "prioritize-and-route"}
)
"""The policy made for each pricing scheme."""


def find_policy(name: str) -> PooledPolicy:
    """Return the pooled policy of that name.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in POOLED:
        known = ", ".join(POOLED)
        near = get_close_matches(name, POOLED, 1)
        known = f"{near[0]}? There are {known}" if near else known
        raise InputError(
            [
                Problem(
                    "policy-unknown", "--policy", "", f"no pooled policy {name!r}", f"use {known}"
                )
            ]
        )
    return POOLED[name]


def _wrong_plan(policy: PooledPolicy, plan: Plan) -> Problem:
    wanted = " or ".join(policy.objectives)
    return Problem(
        "policy-plan",
        "plan",
        "objective",
        f"{policy.name} follows a plan of the {wanted} program, this one is {plan.objective}",
        f"solve the instance with prices.scheme = {policy.objectives[0]!r} and plan again",
    )


def _queueing_plan(policy: PooledPolicy) -> Problem:
    return Problem(
        "policy-plan",
        "plan",
        "empty_decode_buffer",
        f"{policy.name} follows a plan with an empty decode buffer, this one keeps requests in it",
        "solve with --empty-decode-buffer, or take sli-aware-general",
    )
