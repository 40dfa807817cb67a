"""Gate-and-route that keeps the planned split of decodes, plan with q_d = 0 (Algorithm 6)."""

from gnr.validation.policies.gates import occupancy_gate
from gnr.validation.policies.layouts import partition
from gnr.validation.policies.policy import Policy
from gnr.validation.policies.routers import DRAWN_GROUP

POLICY = Policy(
    name="sli-aware",
    source="Algorithm 6",
    objectives=("bundled", "separate"),
    gate=occupancy_gate,
    layout=partition,
    router=DRAWN_GROUP,
    empty_decode_buffer=True,
    pooled=True,
)
