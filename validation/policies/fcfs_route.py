"""Static planning without a gate: first come, first served (Algorithm 8, FG-SP)."""

from gnr.validation.policies.layouts import partition
from gnr.validation.policies.policy import Policy
from gnr.validation.policies.routers import SOLO_FIRST

POLICY = Policy(
    name="fcfs-route",
    source="Algorithm 8, FG-SP",
    objectives=("bundled",),
    gate=None,
    layout=partition,
    router=SOLO_FIRST,
    pooled=True,
)
