"""Fair shares by multipliers against a restatement that asks class by class whether it can rise."""

from typing import Any

import numpy as np
import pytest

from gnr.models.fair_shares import fair_shares
from gnr.rates import rates_of
from gnr.reading import build
from oracles.linprog_oracle import max_min_shares
from random_instances import random_data


def crowded(seed: int, patient: float) -> dict[str, Any]:
    """Return a cluster with too much to do."""
    data = random_data(np.random.default_rng(seed), classes=3, patient=patient)
    for each in data["classes"]:
        each["arrival_rate"] *= 0.1 if each["patience_rate"] == 0 else 10.0
    return data


def with_helpers(seed: int) -> dict[str, Any]:
    """Return a cluster that decodes better where it prefills, with a class that hardly decodes.

    Without a decode buffer its prefills make room for the decodes of the others (kappa = 1/4, and
    C phi = 1/2 is less than B - 1 - kappa B).
    """
    data = crowded(seed, patient=0.0)
    gpu, helper = data["gpu"], data["classes"][1]
    mixed = (
        gpu["iteration_time"]["base"]
        + gpu["iteration_time"]["per_chunk_token"] * (gpu["chunk_tokens"])
    )
    gpu["iteration_time"]["decode_only"] = 4 * mixed
    helper["prompt_tokens"], helper["output_tokens"] = 10.0 * gpu["chunk_tokens"], 5.0
    helper["arrival_rate"] = 0.3 / (10 * mixed)
    return data


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("patient", [0.0, 0.4])
def test_shares_of_a_crowded_cluster(seed: int, patient: float) -> None:
    assert_max_min(crowded(seed, patient))


@pytest.mark.parametrize("seed", range(5))
def test_shares_where_one_class_helps_the_others(seed: int) -> None:
    shares = assert_max_min(with_helpers(seed), empty_decode_buffer=True)
    assert shares[1] > max(shares[0], shares[2]) + 1e-3


def assert_max_min(data: dict[str, Any], **demands: bool) -> tuple[float, ...]:
    expected = max_min_shares(data, **demands)
    found = fair_shares(rates_of(build(data, "random.toml")), **demands)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-7)
    assert min(found) < 0.999, "there is something to share"
    return found
