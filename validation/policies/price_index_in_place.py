"""The most valuable class first, decodes in place (Algorithm 9, PI-IP)."""

from gnr.validation.policies.gates import price_index_gate
from gnr.validation.policies.layouts import whole_cluster
from gnr.validation.policies.policy import Policy
from gnr.validation.policies.routers import IN_PLACE

POLICY = Policy(
    name="price-index-in-place",
    source="Algorithm 9",
    objectives=("bundled",),
    gate=price_index_gate,
    layout=whole_cluster,
    router=IN_PLACE,
)
