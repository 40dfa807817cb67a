"""Fair shares in closed form against programs that ask class by class whether it can rise."""

from typing import Any

import numpy as np
import pytest

import gnr
from gnr.exact_lp import maximize
from gnr.exact_rates import exact_rates
from gnr.models.exact_promises import promised_program
from gnr.models.fair_shares import fair_shares
from gnr.rates import rates_of
from gnr.reading import build
from oracles.linprog_oracle import max_min_shares
from random_instances import REGIMES, random_data


def crowded(seed: int, regime: str, patient: float) -> dict[str, Any]:
    """Return a cluster with too much to do, but not too much that must be done."""
    data = random_data(np.random.default_rng(seed), classes=3, regime=regime, patient=patient)
    for each in data["classes"]:
        each["arrival_rate"] *= 0.1 if each["patience_rate"] == 0 else 10.0
    return data


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("patient", [0.0, 0.4])
@pytest.mark.parametrize("regime", REGIMES)
def test_no_class_can_rise_by_itself(regime: str, patient: float, seed: int) -> None:
    data = crowded(seed, regime, patient)
    found = fair_shares(rates_of(build(data, "random.toml")))
    assert found == pytest.approx(max_min_shares(data), rel=1e-6, abs=1e-7)
    assert patient or min(found) < 0.999, "there is something to share"


@pytest.mark.parametrize("seed", range(4))
def test_all_of_the_fair_shares_can_be_kept(seed: int) -> None:
    data = crowded(seed, REGIMES[seed % 3], 0.3)
    data["slis"] = [{"kind": "max_min_fairness", "at_least": 1.0}]
    instance = build(data, "random.toml")
    assert gnr.solve(instance).promises[0].planned == pytest.approx(1)
    assert maximize(promised_program(instance, exact_rates(instance))).status == "optimal"
