"""The gate alone, decodes in place (Algorithm 8, GI-WSP)."""

from gnr.validation.policies.gates import limited_occupancy_gate
from gnr.validation.policies.layouts import whole_cluster
from gnr.validation.policies.policy import Policy
from gnr.validation.policies.routers import IN_PLACE

POLICY = Policy(
    name="gate-immediate",
    source="Algorithm 8, GI-WSP",
    objectives=("bundled",),
    gate=limited_occupancy_gate,
    layout=whole_cluster,
    router=IN_PLACE,
)
