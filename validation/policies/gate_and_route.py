"""The paper's policy: gate by occupancy, decode on solo GPUs first (Algorithm 4, GG-SP)."""

from gnr.validation.policies.gates import occupancy_gate
from gnr.validation.policies.layouts import partition
from gnr.validation.policies.policy import Policy
from gnr.validation.policies.routers import SOLO_FIRST

POLICY = Policy(
    name="gate-and-route",
    source="Algorithm 4, GG-SP",
    objectives=("bundled",),
    gate=occupancy_gate,
    layout=partition,
    router=SOLO_FIRST,
    pooled=True,
)
