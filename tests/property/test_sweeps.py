"""What must hold along every sweep: more or faster hardware never hurts, prices act convexly.

Proofs, for any plan of (P40) or (P42) and kappa anything. More slots only widen two rows. A faster
solo iteration lets the same decodes pass with fewer solo slots. A mixed iteration faster by the
factor r lets the same requests pass with r x and r y_m, which also leaves more room for solo.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gnr
from gnr.instance import Instance
from gnr.models.closed_optimum import bundled_optimum, separate_optimum
from gnr.rates import compute_rates, parameters_of
from gnr.reading import build
from random_instances import REGIMES, random_data

often = settings(max_examples=25, deadline=None, derandomize=True)

instances = st.builds(
    lambda seed, regime, scheme, twins: build(
        random_data(np.random.default_rng(seed), regime=regime, scheme=scheme, twins=twins),
        "random",
    ),
    st.integers(0, 2**32),
    st.sampled_from(REGIMES),
    st.sampled_from(["bundled", "separate"]),
    st.booleans(),
)


def along(instance: Instance, vary: str) -> Any:
    return gnr.sweep(instance, vary).array("revenue_rate")


@often
@given(instances)
def test_more_slots_and_faster_iterations_never_hurt(instance: Instance) -> None:
    slots = along(instance, "gpu.batch_slots=2:64")
    solo = along(instance, "gpu.iteration_time.decode_only=0.001:0.1:50")
    slope = along(instance, "gpu.iteration_time.per_chunk_token=1e-6:1e-3:50:log")
    base = along(instance, "gpu.iteration_time.base=0.001:0.05:50")
    for growing in (slots, solo[::-1], slope[::-1], base[::-1]):
        assert np.all(growing[1:] >= growing[:-1] * (1 - 1e-12))


@often
@given(instances)
def test_revenue_is_convex_along_one_sum_of_prices_and_best_at_an_end(instance: Instance) -> None:
    """(D6): the maximum of linear functions of the prices."""
    vary = ["prices.prompt_token=0.01:1:2", "prices.output_token=0.01:1:2"]
    segment = gnr.sweep(instance, vary).price_segment
    assert segment is not None
    assert segment.largest_dent <= 1e-12
    assert not segment.interior_best
    ends = segment.revenue_rate[0], segment.revenue_rate[-1]
    assert max(segment.revenue_rate) == pytest.approx(max(ends), rel=1e-12)


@often
@given(instances, st.floats(0.01, 100))
def test_revenue_and_both_prices_of_capacity_are_homogeneous_in_the_token_prices(
    instance: Instance, factor: float
) -> None:
    closed = {"bundled": bundled_optimum, "separate": separate_optimum}[instance.prices.scheme]
    arguments = parameters_of(instance)
    one = closed(compute_rates(**arguments))
    for key in ("prompt_price", "output_price"):
        arguments[key] *= factor
    other = closed(compute_rates(**arguments))
    scale = float(other.revenue_rate)
    for name in ("revenue_rate", "decode_price", "prefill_price"):
        scaled = factor * float(getattr(one, name))
        assert float(getattr(other, name)) == pytest.approx(scaled, abs=1e-9 * scale)


@often
@given(instances)
def test_prices_of_both_capacities_account_for_the_revenue(instance: Instance) -> None:
    """Strong duality: u kappa B + nu + what the arrivals are worth is the value."""
    closed = {"bundled": bundled_optimum, "separate": separate_optimum}[instance.prices.scheme]
    rates = compute_rates(**parameters_of(instance))
    found = closed(rates)
    separate = instance.prices.scheme == "separate"
    prompt = rates.prompt_price * rates.chunk_tokens / rates.mixed_time if separate else 0.0
    decode = (
        rates.output_price / rates.mixed_time if separate else rates.reward * rates.mixed_decode
    )
    worth = np.maximum(
        prompt
        + rates.decode_work * np.maximum(decode - found.decode_price, 0.0)
        - rates.mixing_cost * found.decode_price
        - found.prefill_price,
        0.0,
    )
    capacity = rates.speed_ratio * rates.batch_slots
    total = found.decode_price * capacity + found.prefill_price + worth @ rates.full_prefill
    assert float(total) == pytest.approx(float(found.revenue_rate), rel=1e-9)
