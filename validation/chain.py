"""The pooled chain of n GPUs as numbers, compiled from the network and a plan (10.1(d'), 10.2).

Counts per class are the whole state: every decode of the mixed group runs at the mixed rate, every
decode of the solo group at the solo rate, and which waiting class takes a decode slot that frees
is drawn in proportion to the counts, which makes the counts Markov.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from gnr.arrays import Floats
from gnr.network import Kind, Station
from gnr.plan import Plan
from gnr.validation.policies.gates import GateIndex
from gnr.validation.policies.policy import Policy


class Row(IntEnum):
    """Where a request can be: the rows of a state array."""

    PREFILL_QUEUE = 0
    PREFILL = 1
    DECODE_QUEUE = 2
    """The one decode buffer, or the mixed group's of two."""
    MIXED_DECODE = 3
    SOLO_DECODE = 4
    SOLO_QUEUE = 5
    """The solo group's buffer; empty unless the policy splits the buffer."""


class Flow(IntEnum):
    """What is counted: arrivals, then the ways out of each row, in the order of `Row`."""

    ARRIVALS = 0
    PREFILL_ABANDONMENTS = 1
    PREFILLS = 2
    DECODE_ABANDONMENTS = 3
    MIXED_COMPLETIONS = 4
    SOLO_COMPLETIONS = 5
    SOLO_QUEUE_ABANDONMENTS = 6


FAR = 1e300
"""Beyond every index of a class that the gate may admit."""

ZERO_WEIGHT = 1e-30
"""Lost against any weight, yet proportional to the counts where no weighted class waits."""

SHARED_ROWS = 5
"""Rows in use when there is one decode buffer."""

SPLIT_ROWS = 6
"""Rows in use when each group has its own."""

_MOVES = {
    "A": (Station.ARRIVALS, Station.PREFILL_QUEUE),
    "B_p": (Station.PREFILL_QUEUE, Station.LEFT),
    "S_p": (Station.PREFILL, Station.DECODE_BUFFER),
    "B_d": (Station.DECODE_BUFFER, Station.LEFT),
    "S_dm": (Station.MIXED_DECODE, Station.DONE),
    "S_ds": (Station.SOLO_DECODE, Station.DONE),
}
"""The Poisson clocks this chain knows; a network with others cannot be pooled."""


@dataclass(frozen=True)
class Chain:
    """A cluster of n GPUs under one policy; class arrays have shape ``(classes,)``.

    Attributes
    ----------
    names
        Classes, in file order.
    gpus
        n.
    arrival
        Arrivals of the whole cluster, requests/s.
    leaving
        Rate at which a request leaves each row, 1/s, shape ``(classes, 6)``, columns as `Row`.
    prefill_slots, mixed_decode_slots, solo_decode_slots
        M, M (B - 1) and (n - M) B.
    gate
        Which waiting class is prefilled next; None: first come, first served.
    split_buffers
        Whether a finished prefill draws its group and waits for that group alone.
    solo_probability
        Chance of the draw (eq. U7); read only with split buffers.
    mixed_weight, solo_weight
        Weights of the classes when a slot frees (eq. U10); zeros: in proportion to the counts.
    planned
        Counts of the plan, requests, shape ``(classes, 6)``: n times the fluid point.
    """

    names: tuple[str, ...]
    gpus: int
    arrival: Floats
    leaving: Floats
    prefill_slots: float
    mixed_decode_slots: float
    solo_decode_slots: float
    gate: GateIndex | None
    split_buffers: bool
    solo_probability: Floats
    mixed_weight: Floats
    solo_weight: Floats
    planned: Floats

    @property
    def rows(self) -> int:
        """Rows of the state that this chain uses."""
        return SPLIT_ROWS if self.split_buffers else SHARED_ROWS


def compile_chain(network: Any, plan: Plan, policy: Policy) -> Chain:
    """Return the chain of `network` under `policy` with the numbers of `plan`.

    Parameters
    ----------
    network
        A graph of `gnr.network.build_network` with numeric rates.
    plan
        A plan for the same classes.
    policy
        One of `gnr.validation.policies.POLICIES`; what looks at single GPUs is left out.

    Raises
    ------
    ValueError
        If the network has a Poisson clock that a pooled chain does not know, or lacks one.
    """
    names = tuple(network.graph["classes"])
    clocks = _clocks(network, len(names))
    leaving = np.stack(
        [clocks[key] for key in ("B_p", "S_p", "B_d", "S_dm", "S_ds", "B_d")], axis=1
    )
    flat = np.zeros(len(names))
    each = plan.classes
    weighted = policy.router.weighted
    return Chain(
        names=names,
        gpus=plan.gpus,
        arrival=plan.gpus * clocks["A"],
        leaving=leaving,
        prefill_slots=float(plan.mixed_gpus),
        mixed_decode_slots=float(plan.mixed_decode_slots),
        solo_decode_slots=float(plan.solo_decode_slots),
        gate=policy.gate(plan) if policy.gate else None,
        split_buffers=policy.router.split,
        solo_probability=np.array([one.solo_probability for one in each]),
        mixed_weight=np.array([one.mixed_weight for one in each]) if weighted else flat,
        solo_weight=np.array([one.solo_weight for one in each]) if weighted else flat,
        planned=_planned(plan, policy.router.split),
    )


def _clocks(network: Any, classes: int) -> dict[str, Floats]:
    """Return the rates of the Poisson clocks, each of shape ``(classes,)``."""
    clocks = {key: np.full(classes, np.nan) for key in _MOVES}
    for origin, target, key, move in network.edges(keys=True, data="transition"):
        if move.kind is not Kind.PRIMITIVE:
            continue
        if _MOVES.get(key) != (origin[1], target[1]):
            raise ValueError(
                f"a pooled chain has no clock {key} from {origin[1]} to {target[1]}; "
                f"it knows {', '.join(_MOVES)}"
            )
        clocks[key][origin[0]] = float(move.rate)
    missing = [key for key, values in clocks.items() if np.isnan(values).any()]
    if missing:
        raise ValueError(f"the network lacks the clocks {', '.join(missing)} of some class")
    return clocks


def _planned(plan: Plan, split_buffers: bool) -> Floats:
    """Return the counts of the plan, shape ``(classes, 6)``."""
    return np.array(
        [
            (
                one.queue_target,
                one.gate_target,
                one.mixed_queue_target + (0.0 if split_buffers else one.solo_queue_target),
                one.mixed_decode_target,
                one.solo_decode_target,
                one.solo_queue_target if split_buffers else 0.0,
            )
            for one in plan.classes
        ]
    )
