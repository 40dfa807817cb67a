"""The gate, and prefills before waiting decodes (Algorithm 8, GF-WSP)."""

from gnr.validation.policies.gates import limited_occupancy_gate
from gnr.validation.policies.layouts import whole_cluster
from gnr.validation.policies.policy import Policy
from gnr.validation.policies.routers import IDLE_FIRST

POLICY = Policy(
    name="gate-prefill-first",
    source="Algorithm 8, GF-WSP",
    objectives=("bundled",),
    gate=limited_occupancy_gate,
    layout=whole_cluster,
    router=IDLE_FIRST,
    prefill_first=True,
)
