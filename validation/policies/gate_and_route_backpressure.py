"""A partition with backpressure: no prefill starts while a finished one waits, ranking at the gate.

Gate-and-route loses revenue where whole requests wait for decode and leave. Here a decode line
closes the gate, so that it holds no more than the prefills in progress. The gate ranks by the
marginal value: the occupancy gate lets a class whose next request earns nothing go before one whose
next request does, as soon as there is less of it in prefill than planned, and the time between two
free slots is then lost on it.
"""

from gnr.validation.policies.gates import limited_price_index_gate
from gnr.validation.policies.layouts import partition
from gnr.validation.policies.policy import Policy
from gnr.validation.policies.routers import SOLO_FIRST

POLICY = Policy(
    name="gate-and-route-backpressure",
    source="THEORY 12, backpressure on a partition",
    objectives=("bundled",),
    gate=limited_price_index_gate,
    layout=partition,
    router=SOLO_FIRST,
    decodes_first=True,
    finite_plan=True,
)
