"""The policies by name. Add one as a file that defines `POLICY`, and a line in `POLICIES`."""

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from gnr.errors import InputError, Problem
from gnr.instance import Instance
from gnr.validation.policies import (
    disaggregated,
    fcfs_immediate,
    fcfs_route,
    gate_and_route,
    gate_and_route_backpressure,
    gate_immediate,
    gate_prefill_first,
    price_index_capped,
    price_index_fill,
    price_index_in_place,
    price_index_token_mean,
    prioritize_and_route,
    sli_aware,
    sli_aware_general,
)
from gnr.validation.policies.policy import Policy

POLICIES: Mapping[str, Policy] = MappingProxyType(
    {
        module.POLICY.name: module.POLICY
        for module in (
            gate_and_route,
            prioritize_and_route,
            sli_aware,
            sli_aware_general,
            fcfs_route,
            fcfs_immediate,
            gate_immediate,
            gate_prefill_first,
            price_index_in_place,
            price_index_fill,
            price_index_capped,
            price_index_token_mean,
            disaggregated,
            gate_and_route_backpressure,
        )
    }
)
"""Every policy, in the order in which tables show them."""

POOLED: Mapping[str, Policy] = MappingProxyType(
    {name: policy for name, policy in POLICIES.items() if policy.pooled}
)
"""Those that the pooled chain can follow."""

DEFAULT_POLICY: Mapping[str, str] = MappingProxyType(
    {"bundled": "gate-and-route", "separate": "prioritize-and-route"}
)
"""The paper's policy for each pricing scheme, without promises."""

PROMISING_POLICY = sli_aware_general.POLICY.name
"""Where there are promises or penalties: it keeps the planned split, on which they may depend."""


def default_policy(instance: Instance) -> str:
    """Return the name of the policy that an instance is simulated under by default."""
    return PROMISING_POLICY if instance.slis else DEFAULT_POLICY[instance.prices.scheme]


def find_policy(name: str) -> Policy:
    """Return the policy of that name.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in POLICIES:
        known = ", ".join(POLICIES)
        near = get_close_matches(name, POLICIES, 1)
        known = f"{near[0]}? There are {known}" if near else known
        raise InputError(
            [Problem("policy-unknown", "--policy", "", f"no policy {name!r}", f"use {known}")]
        )
    return POLICIES[name]
