"""The service level indicators by kind. Add one as a file that defines `INDICATOR`, and a line."""

from collections.abc import Mapping
from types import MappingProxyType

from gnr.slis import (
    abandonment_fraction,
    decode_backlog,
    decode_fairness,
    disaggregation,
    empty_decode_buffer,
    max_min_fairness,
    mean_end_to_end,
    mean_tpot,
    mean_ttft,
    mean_wait,
    prefill_fairness,
    proportional_share,
    throughput,
    token_tpot,
)
from gnr.slis.indicator import Indicator

INDICATORS: Mapping[str, Indicator] = MappingProxyType(
    {
        module.INDICATOR.kind: module.INDICATOR
        for module in (
            prefill_fairness,
            decode_fairness,
            mean_tpot,
            token_tpot,
            mean_wait,
            mean_ttft,
            mean_end_to_end,
            abandonment_fraction,
            throughput,
            proportional_share,
            max_min_fairness,
            decode_backlog,
            empty_decode_buffer,
            disaggregation,
        )
    }
)
"""Every kind, in the order in which tables show them."""
