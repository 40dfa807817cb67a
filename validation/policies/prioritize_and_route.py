"""The paper's policy for separate charging: most output per prompt token first (Algorithm 5)."""

from gnr.validation.policies.gates import priority_gate
from gnr.validation.policies.layouts import partition
from gnr.validation.policies.policy import Policy
from gnr.validation.policies.routers import SOLO_FIRST

POLICY = Policy(
    name="prioritize-and-route",
    source="Algorithm 5",
    objectives=("separate",),
    gate=priority_gate,
    layout=partition,
    router=SOLO_FIRST,
    pooled=True,
)
