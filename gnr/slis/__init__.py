"""The service level indicators by kind. Add one as a file that defines `INDICATOR`, and a line."""

from collections.abc import Mapping
from types import MappingProxyType

from gnr.slis import (
    decode_fairness,
    mean_tpot,
    mean_ttft,
    prefill_fairness,
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
            mean_ttft,
        )
    }
)
"""Every kind, in the order in which tables show them."""
