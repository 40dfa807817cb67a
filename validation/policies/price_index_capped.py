"""The ranking under a cap on prefills: a promised mean time per output token (Algorithm 11)."""

from gnr.validation.policies.gates import capped_price_index_gate
from gnr.validation.policies.layouts import whole_cluster
from gnr.validation.policies.policy import Policy
from gnr.validation.policies.routers import FILL_PREFILLING

POLICY = Policy(
    name="price-index-capped",
    source="Algorithm 11",
    objectives=("bundled",),
    gate=capped_price_index_gate,
    layout=whole_cluster,
    router=FILL_PREFILLING,
    prefill_cap=True,
)
