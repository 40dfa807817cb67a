"""What a policy is: a gate, a layout and a router, with the plan that they need."""

from collections.abc import Callable
from dataclasses import dataclass

from gnr.errors import InputError, Problem
from gnr.plan import Plan
from gnr.validation.policies.gates import GateIndex
from gnr.validation.policies.layouts import Layout, whole_cluster
from gnr.validation.policies.routers import Router


@dataclass(frozen=True)
class Policy:
    """A policy, as both simulators read it.

    Attributes
    ----------
    name
        As on the command line.
    source
        Where it is defined.
    objectives
        Programs whose plan it can follow.
    gate
        Makes the gate's index from a plan; None: first come, first served over all classes. (The
        pooled chain then draws a class in proportion to the prefill queue's counts.)
    layout
        Makes the layout from a plan and the batch slots B.
    router
        Where finished prefills go.
    empty_decode_buffer
        Whether it needs a plan with q_d = 0.
    disaggregated
        Whether it needs a plan without decodes on mixed GPUs, y_m = 0.
    prefill_cap
        Whether it needs a plan with a cap on prefills, from a promised mean time per output token.
    prefill_first
        Whether a freed slot starts a new prefill in preference to a waiting decode.
    decodes_first
        Whether no prefill starts while a finished one waits for a decode slot.
    finite_plan
        Whether its own plan chooses the group size for n GPUs, in the place of rounding n x up.
    pooled
        Whether the pooled chain can follow it: counts by group say all that it looks at.
    """

    name: str
    source: str
    objectives: tuple[str, ...]
    gate: Callable[[Plan], GateIndex] | None
    layout: Callable[[Plan, int], Layout]
    router: Router
    empty_decode_buffer: bool = False
    disaggregated: bool = False
    prefill_cap: bool = False
    prefill_first: bool = False
    decodes_first: bool = False
    finite_plan: bool = False
    pooled: bool = False

    @property
    def partitioned(self) -> bool:
        """Whether it keeps a group of GPUs that may prefill, M of n."""
        return self.layout is not whole_cluster

    def check(self, plan: Plan) -> None:
        """Raise `InputError` unless the policy can follow `plan`."""
        if plan.objective not in self.objectives:
            raise InputError([_wrong_plan(self, plan)])
        if self.empty_decode_buffer and not plan.empty_decode_buffer:
            raise InputError([_queueing_plan(self)])
        if self.disaggregated and not plan.disaggregated:
            raise InputError([_mixing_plan(self)])
        if self.prefill_cap and plan.prefill_cap is None:
            raise InputError([_uncapped_plan(self)])


def _wrong_plan(policy: Policy, plan: Plan) -> Problem:
    wanted = " or ".join(policy.objectives)
    return Problem(
        "policy-plan",
        "plan",
        "objective",
        f"{policy.name} follows a plan of the {wanted} program, this one is {plan.objective}",
        f"solve the instance with prices.scheme = {policy.objectives[0]!r} and plan again",
    )


def _queueing_plan(policy: Policy) -> Problem:
    return Problem(
        "policy-plan",
        "plan",
        "empty_decode_buffer",
        f"{policy.name} follows a plan with an empty decode buffer, this one keeps requests in it",
        "solve with --empty-decode-buffer, or take sli-aware-general",
    )


def _mixing_plan(policy: Policy) -> Problem:
    return Problem(
        "policy-plan",
        "plan",
        "disaggregated",
        f"{policy.name} follows a plan without decodes on prefilling GPUs, this one has some",
        "solve with --disaggregated",
    )


def _uncapped_plan(policy: Policy) -> Problem:
    return Problem(
        "policy-plan",
        "plan",
        "prefill_cap",
        f"{policy.name} follows a plan with a cap on prefills, this one has none",
        "promise a mean_tpot between the solo and the mixed iteration time with at_most and solve "
        "again, or take price-index-fill",
    )
