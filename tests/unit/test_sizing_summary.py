"""What the summary of a size says of measured promises and of splits."""

import pytest

from gnr.simulation import Estimate
from gnr.sizing import KeptPromise
from gnr.sizing_summary import measured_words


@pytest.mark.parametrize(
    ("name", "unit", "mean", "half", "told"),
    [
        ("p95_ttft", "s", 0.894, 0.0235, "0.894 s ±0.0235 s"),
        ("p99_tpot", "s", 0.0166, 0.0, "16.6 ms ± below 3%"),
        ("token_tpot", "s", 0.0166, 0.0, "16.6 ms"),
        ("abandonment_fraction", "fraction of arrivals", 0.0047, 0.0006, "0.47% ±0.06%"),
        ("abandonment_fraction", "fraction of arrivals", 0.0001, 0.00001, "0.01% ±<0.01%"),
    ],
)
def test_no_half_width_is_told_as_zero(
    name: str, unit: str, mean: float, half: float, told: str
) -> None:
    """A percentile is read off bins: that all runs agree does not make it exact."""
    estimate = Estimate(mean=mean, half_width=half)
    promise = KeptPromise(
        name=name, unit=unit, direction="at_most", promised=1.0, measured=estimate, kept="yes"
    )
    assert measured_words(promise) == told
