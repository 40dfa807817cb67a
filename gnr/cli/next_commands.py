"""What to type after ``gnr size``: the cluster that it found, replayed and exported."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from gnr.instance import Instance
from gnr.sizing import SizedPolicy, Sizing
from gnr.validation.policies import find_policy
from gnr.validation.policies.policy import Policy

LOG = "LOG"
"""Stands for the log, which sizing does not know."""


def next_commands(
    found: Sizing,
    source: str,
    instance: Instance,
    overrides: Sequence[str],
    *,
    law: Path | None = None,
    speed: float = 1.0,
) -> tuple[str, ...]:
    """Return the commands that replay and export the best cluster; none if there is none.

    Parameters
    ----------
    found
        The sizes.
    source
        The instance as it was typed.
    instance
        The same as it was read.
    overrides
        What ``--set`` changed in it.
    law
        File of iteration times by batch, if one was named.
    speed
        How many times the demand of its file was sized for.
    """
    choice = found.choice
    if choice is None:
        return ()
    policy = find_policy(choice.policy)
    changes = [*overrides, *_without_promises(instance)]
    replay = [
        *("gnr", "replay", LOG, source, "--gpus", str(choice.gpus)),
        *("--policies", choice.policy, *_group(choice)),
        *(("--speed", f"{speed:g}") if speed != 1 else ()),
        *(("--law", str(law)) if law is not None else ()),
        *_set(changes),
    ]
    export = [
        *("gnr", "export", source, "--gpus", str(choice.gpus)),
        *(_group(choice) or ("--format", "vllm-priority")),
        *_program(policy),
        *_set([*changes, *_pricing(instance, policy), *_rates(found, choice)]),
    ]
    return shlex.join(replay), shlex.join(export)


def _group(choice: SizedPolicy) -> tuple[str, ...]:
    if choice.prefill_gpus is None:
        return ()
    return "--mixed-gpus", str(choice.prefill_gpus)


def _program(policy: Policy) -> Iterator[str]:
    """Yield the options of the program that the policy plans by."""
    if policy.disaggregated:
        yield "--disaggregated"
    if policy.empty_decode_buffer:
        yield "--empty-decode-buffer"


def _pricing(instance: Instance, policy: Policy) -> Iterator[str]:
    if instance.prices.scheme not in policy.objectives:
        yield f"prices.scheme={policy.objectives[0]}"


def _without_promises(instance: Instance) -> Iterator[str]:
    """Yield what takes the promises out of the plan: sizing keeps them by the number of GPUs."""
    if instance.slis:
        yield "slis=[]"


def _rates(found: Sizing, choice: SizedPolicy) -> Iterator[str]:
    """Yield the demand on each GPU."""
    assert choice.gpus is not None
    for each in found.demanded:
        yield f"classes.{each.name}.arrival_rate={each.requests_per_second / choice.gpus:.6g}"


def _set(changes: Sequence[str]) -> Iterator[str]:
    for each in changes:
        yield "--set"
        yield each
