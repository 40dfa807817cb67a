"""Plans made anew in the course of a replay, from the rates of late."""

import numpy as np

from gnr.errors import NoOptimumError
from gnr.instance import Instance
from gnr.plan import Plan
from gnr.rates import rates_of
from gnr.validation.per_gpu.layout import Rules
from gnr.validation.per_gpu.lengths import read_law
from gnr.validation.per_gpu.rules import make_rules
from gnr.validation.policies.policy import Policy
from gnr.validation.studies.optima import planning_optimum, policy_plan
from gnr.validation.studies.trace_classes import ClassedTrace

PRIOR = 0.25
"""Weight of what the first plan was made for, in intervals: a class that did not come of late keeps
a rate, and a few requests do not overturn the plan."""


Replanned = tuple[float, Rules]
"""When rules come into force, s, and the rules."""


def follows_a_plan(policy: Policy) -> bool:
    """Return whether a policy looks at the plan at all."""
    return policy.gate is not None or policy.partitioned


def own_plan(instance: Instance, policy: Policy, gpus: int, mixed_gpus: int | None = None) -> Plan:
    """Return a policy's own plan for n GPUs of an instance, `mixed_gpus` of which may prefill.

    A policy without a partition takes no notice of `mixed_gpus`.

    Raises
    ------
    InputError
        If the policy cannot follow its plan, as one made for promises without any.
    NoOptimumError
        If there is no plan.
    """
    group = mixed_gpus if policy.partitioned else None
    plan = policy_plan(planning_optimum(instance, policy), policy, gpus, group)
    policy.check(plan)
    return plan


def rules_of(instance: Instance, policy: Policy, plan: Plan) -> Rules:
    """Return the rules of a policy that follows a plan for an instance."""
    lengths = read_law("exponential", instance)  # no length is drawn in a replay
    return make_rules(rates_of(instance), plan, policy, lengths)


def replanned(
    classes: ClassedTrace,
    planned: Instance,
    policy: Policy,
    gpus: int,
    every: float,
    mixed_gpus: int | None = None,
) -> list[Replanned]:
    """Return when new rules come into force, and which, in the course of a trace.

    Every so many seconds a plan is made for the requests that came since the last one, with their
    lengths, and a little of what the first plan was made for, `planned`. Where there is no plan for
    them, the former is followed on. With `mixed_gpus` all plans have that group.
    """
    ends = np.arange(1, int(np.ceil(classes.trace.span / every))) * every
    found = []
    for end in ends:
        try:
            recent = _recent(classes, planned, gpus, float(end) - every, float(end))
            plan = own_plan(recent, policy, gpus, mixed_gpus)
            found.append((float(end), rules_of(recent, policy, plan)))
        except NoOptimumError:
            continue
    return found


def _recent(
    classes: ClassedTrace, planned: Instance, gpus: int, since: float, until: float
) -> Instance:
    """Return the instance with the rates and lengths of the requests between two times, s."""
    trace = classes.trace
    first, last = np.searchsorted(trace.arrival, [since, until])
    kind = classes.kind[first:last]
    prior = PRIOR * (until - since) * gpus
    rows = []
    for i, each in enumerate(planned.classes):
        came, expected = float(np.sum(kind == i)), prior * each.arrival_rate
        prompt = float(trace.prompt_tokens[first:last][kind == i].sum())
        output = float(trace.output_tokens[first:last][kind == i].sum())
        rows.append(
            each.model_copy(
                update={
                    "arrival_rate": (came + expected) / ((1 + PRIOR) * (until - since) * gpus),
                    "prompt_tokens": (prompt + expected * each.prompt_tokens) / (came + expected),
                    "output_tokens": (output + expected * each.output_tokens) / (came + expected),
                }
            )
        )
    return planned.model_copy(update={"classes": tuple(rows)})
