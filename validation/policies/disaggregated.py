"""Prefill-only and decode-only GPUs, split by the program with y_m = 0."""

from gnr.validation.policies.gates import occupancy_gate
from gnr.validation.policies.layouts import separate_groups
from gnr.validation.policies.policy import Policy
from gnr.validation.policies.routers import SOLO_FIRST

POLICY = Policy(
    name="disaggregated",
    source="program (P40) with y_m = 0",
    objectives=("bundled",),
    gate=occupancy_gate,
    layout=separate_groups,
    router=SOLO_FIRST,
    disaggregated=True,
)
