"""The ranking on a group of few decodes: a promised mean time per token (Algorithm 12)."""

from gnr.validation.policies.gates import price_index_gate
from gnr.validation.policies.layouts import thinned_partition
from gnr.validation.policies.policy import Policy
from gnr.validation.policies.routers import SOLO_FIRST

POLICY = Policy(
    name="price-index-token-mean",
    source="Algorithm 12",
    objectives=("bundled",),
    gate=price_index_gate,
    layout=thinned_partition,
    router=SOLO_FIRST,
    empty_decode_buffer=True,
    decodes_first=True,
)
