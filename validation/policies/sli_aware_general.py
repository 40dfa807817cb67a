"""The same for plans that keep requests in the decode buffer (Algorithm 7)."""

from gnr.validation.policies.gates import occupancy_gate
from gnr.validation.policies.layouts import partition
from gnr.validation.policies.policy import Policy
from gnr.validation.policies.routers import DRAWN_GROUP_WEIGHTED

POLICY = Policy(
    name="sli-aware-general",
    source="Algorithm 7",
    objectives=("bundled", "separate"),
    gate=occupancy_gate,
    layout=partition,
    router=DRAWN_GROUP_WEIGHTED,
    pooled=True,
)
