"""First come, first served, decodes in place: what serving engines do (Algorithm 8, FI-WSP)."""

from gnr.validation.policies.layouts import whole_cluster
from gnr.validation.policies.policy import Policy
from gnr.validation.policies.routers import IN_PLACE

POLICY = Policy(
    name="fcfs-immediate",
    source="Algorithm 8, FI-WSP",
    objectives=("bundled", "separate"),
    gate=None,
    layout=whole_cluster,
    router=IN_PLACE,
)
