"""Every clock of the compiled chain rings at its rate: Little's law, station by station.

Run on two-class under each way of routing; the planted faults are service rates 3 % off and
abandonment in service.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from pooled_chains import chain_of, compiled
from statistical.checks import POWER, Check, clock_check, report

from gnr.validation.chain import Chain, Flow, Row

LANES, SECONDS, GPUS = 64, 10000.0, 50
POLICIES = ("gate-and-route", "sli-aware")
RATE_OFF = 0.03


def clock_checks(simulated: Chain, believed: Chain) -> list[Check]:
    """Simulate one chain and check its clocks against the rates of another."""
    run = compiled(simulated, LANES, seed=11)
    run.advance(np.full(LANES, SECONDS))
    seen = run.snapshot()
    checks = [
        clock_check(
            f"arrivals of {name}",
            seen.count[i, Flow.ARRIVALS],
            seen.clock,
            float(believed.arrival[i]),
        )
        for i, name in enumerate(believed.names)
    ]
    for row in list(Row)[: believed.rows]:
        for i, name in enumerate(believed.names):
            rate = float(believed.leaving[i, row])
            counts, exposure = seen.count[i, row + 1], seen.integral[i, row]
            if not exposure.any():  # the plan keeps the class out of this station
                assert not counts.any()
                continue
            checks.append(clock_check(f"{row.name.lower()} of {name}", counts, exposure, rate))
    return checks


@pytest.mark.parametrize("policy", POLICIES)
def test_clocks_ring_at_their_rates(policy: str, tell: Callable[[str], None]) -> None:
    chain = chain_of("two-class", policy, GPUS)
    checks = clock_checks(chain, chain)
    rows = [(check, "3 %", RATE_OFF * check.expected) for check in checks]
    tell(report(f"clocks, {policy}", rows))
    assert not [check for check in checks if check.alarmed]
    for check in checks:
        assert check.power(RATE_OFF * check.expected) >= POWER, check.name


SERVICE = (Row.PREFILL, Row.MIXED_DECODE, Row.SOLO_DECODE)


@pytest.mark.parametrize("row", SERVICE, ids=lambda row: row.name.lower())
def test_a_service_rate_three_percent_off_is_found(row: Row) -> None:
    chain = chain_of("two-class", "gate-and-route", GPUS)
    leaving = chain.leaving.copy()
    leaving[1, row] *= 1 + RATE_OFF
    alarmed = [
        each.name for each in clock_checks(replace(chain, leaving=leaving), chain) if each.alarmed
    ]
    assert alarmed == [f"{row.name.lower()} of prefill-heavy"]


@pytest.mark.parametrize("row", SERVICE, ids=lambda row: row.name.lower())
def test_abandonment_in_service_is_found(row: Row) -> None:
    """Requests that give up in service leave faster than served ones do."""
    chain = chain_of("two-class", "gate-and-route", GPUS)
    leaving = chain.leaving.copy()
    leaving[0, row] += chain.leaving[0, Row.PREFILL_QUEUE]
    alarmed = {
        each.name for each in clock_checks(replace(chain, leaving=leaving), chain) if each.alarmed
    }
    assert alarmed == {f"{row.name.lower()} of decode-heavy"}
