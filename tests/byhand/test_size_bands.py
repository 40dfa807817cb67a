"""Ranges of n that can be worked out on paper.

`one_station` is a queue whose servers are GPUs. With very many of them n is in proportion to their
load: a factor of the load is a factor of n, and products of lognormal factors are lognormal.
"""

import math

import pytest
from scipy.stats import norm
from sized import one_station

from gnr.latency_promise import read_promises
from gnr.size_band import SizeBand, UncertainInput
from gnr.validation.policies import find_policy
from gnr.validation.studies.size_bands import band_of
from gnr.validation.studies.trials import Size, Task

MANY = 20_000
"""GPUs that prefill; one more is enough for the decodes."""

TOLERANCE = 0.002
"""Relative: what square-root staffing still adds to so large a load, and the surface."""


def uncertain(quantity: str, share: float, owner: str | None = None) -> UncertainInput:
    told = {"quantity": quantity, "share": share, "source": "by hand", "class": owner}
    return UncertainInput.model_validate(told)


def band(promises: str, *inputs: UncertainInput, policy: str = "gate-and-route") -> SizeBand:
    instance = one_station(patience_rate=0.1)
    classes = (instance.classes[0].model_copy(update={"arrival_rate": float(MANY)}),)
    demanded = instance.model_copy(update={"classes": classes})
    percentiles, others = read_promises(promises.split(), instance)
    task = Task(demanded, find_policy(policy), percentiles, others)
    size = Size(MANY + 1, MANY) if task.partitioned else Size(MANY)
    return band_of(task, size, inputs)


@pytest.mark.parametrize(
    ("quantity", "policy"),
    [
        ("demand", "gate-and-route"),
        ("prompt_tokens", "gate-and-route"),
        ("mixed_time", "gate-and-route"),
        ("mixed_time", "price-index-fill"),
    ],
)
def test_the_range_of_one_input_is_the_range_of_n(quantity: str, policy: str) -> None:
    """The load is rate times prompt times iteration time: 10 % of one are 10 % of n."""
    found = band("abandonment_fraction=2%", uncertain(quantity, 0.1), policy=policy)
    assert found.low == pytest.approx(MANY / 1.1, rel=TOLERANCE)
    assert found.high == pytest.approx(MANY * 1.1, rel=TOLERANCE)
    (effect,) = found.inputs
    assert effect.width_without == pytest.approx(0, abs=1e-6)
    assert effect.vanishing == pytest.approx(1)
    assert found.first == effect
    assert found.unkeepable == 0


def test_two_inputs_multiply_and_what_they_take_does_not_add_up() -> None:
    """Variances of logarithms add: the factor is 1.1 to the root of 2, and 1.1 with one known."""
    found = band("abandonment_fraction=2%", uncertain("demand", 0.1), uncertain("mixed_time", 0.1))
    both = 1.1 ** math.sqrt(2)
    assert found.low == pytest.approx(MANY / both, rel=2 * TOLERANCE)
    assert found.high == pytest.approx(MANY * both, rel=2 * TOLERANCE)
    left = (1.1 - 1 / 1.1) / (both - 1 / both)
    vanishing = [each.vanishing for each in found.inputs]
    assert vanishing == pytest.approx([1 - left, 1 - left], abs=0.01)
    assert sum(each or 0.0 for each in vanishing) < 0.7


def test_the_wider_input_comes_first_and_is_named_in_words() -> None:
    """Answers of one token a millisecond each need no GPUs: their length does not matter."""
    found = band(
        "abandonment_fraction=2%",
        uncertain("output_tokens", 0.1, "only"),
        uncertain("prompt_tokens", 0.05, "only"),
        uncertain("demand", 0.1),
    )
    assert [each.name for each in found.inputs] == [
        "demand",
        "prompt_tokens:only",
        "output_tokens:only",
    ]
    assert "the demand of all classes exactly would shrink the range most" in found.in_words
    assert found.inputs[-1].vanishing == pytest.approx(0, abs=TOLERANCE)


def test_where_a_single_request_takes_too_long_no_number_of_gpus_helps() -> None:
    """A prefill of mean 1 s is above 5 s with probability exp(-5) < 1 %, if iterations take no more
    than 5 / ln 100 = 1.0857 times as long: beyond that no number of GPUs keeps p99_ttft.
    """
    slower = uncertain("mixed_time", 0.2)
    found = band("p99_ttft=5s abandonment_fraction=2%", slower, uncertain("demand", 0.1))
    beyond = norm.sf(norm.ppf(0.975) * math.log(5 / math.log(100)) / math.log(1.2))
    assert found.unkeepable == pytest.approx(beyond, abs=2e-4)
    assert found.high is None
    assert found.width is None
    assert found.low is not None
    assert found.low < MANY
    assert found.first is not None
    assert found.first.name == "mixed_time"
    assert found.first.unkeepable_without == 0
    assert found.first.width_without is not None
    assert "or more" in found.in_words


def test_a_promise_that_this_model_cannot_keep_as_it_is_does_not_count() -> None:
    """Of exponential prefills 1 % are above 4.6 s; the simulation had other lengths, and knew."""
    found = band("p99_ttft=4s abandonment_fraction=2%", uncertain("demand", 0.1))
    assert found.unkeepable == 0
    assert found.high == pytest.approx(MANY * 1.1, rel=TOLERANCE)


def test_a_promise_at_its_edge_is_beyond_keeping_for_half_of_the_draws() -> None:
    """At 4.606 s, a hair more than ln 100, any slower iteration is too slow."""
    found = band("p99_ttft=4.606s abandonment_fraction=2%", uncertain("mixed_time", 0.2))
    assert found.unkeepable == pytest.approx(0.5, abs=0.01)
    assert found.low is not None
    assert found.high is None
