"""The same, and a finished prefill fills a hole beside another prefill (Algorithm 10, PI-fill)."""

from gnr.validation.policies.gates import price_index_gate
from gnr.validation.policies.layouts import whole_cluster
from gnr.validation.policies.policy import Policy
from gnr.validation.policies.routers import FILL_PREFILLING

POLICY = Policy(
    name="price-index-fill",
    source="Algorithm 10",
    objectives=("bundled",),
    gate=price_index_gate,
    layout=whole_cluster,
    router=FILL_PREFILLING,
)
