"""Figures 8 to 10, which no chance is in: their numbers against programs restated with scipy."""

import copy
import tomllib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gnr.instance_text import to_toml
from gnr.reading import load
from gnr.reproduction import Claim, Experiment, Lines
from gnr.sweep_result import PriceSegment
from gnr.validation.studies.reproduction import figure10
from gnr.validation.studies.reproduction.effort import QUICK
from gnr.validation.studies.reproduction.outline import judged
from gnr.validation.studies.reproduction.registry import REBUILDS
from oracles import linprog_oracle, promises_oracle
from oracles.promises_oracle import Pledge

OPTIMUM = 120364470720 / 404310343
"""THEORY 11.2."""

PREFILL_SPREAD = 0.194953125 - 0.01825832133690
SOLO_SPREAD = 10.30307264 - 2.28554422
"""Between the two classes in the plan, vertex 1 of THEORY 11.2."""

FASTEST = 1 / 45.45
"""1/gamma, s."""

MIXED = 0.0174 + 6.2e-5 * 256
"""tau, s."""

Rebuilt = dict[str, Experiment]


@pytest.fixture(scope="module")
def rebuilt() -> Rebuilt:
    found = {}
    for name in ("figure8", "figure9", "figure10"):
        parts = REBUILDS[name].parts(QUICK)
        runs = {key: part.run() for key, part in parts.items()}
        found[name] = judged(name, REBUILDS[name].measured(runs, QUICK))
    return found


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return tomllib.loads(to_toml(load("two-class")))


def claim(experiment: Experiment, name: str) -> Claim:
    return {each.name: each for each in experiment.claims}[name]


def promised(data: dict[str, Any], kind: str, bound: float) -> float:
    return promises_oracle.solve(data, "bundled", [Pledge(kind, bound)]).value


@pytest.mark.parametrize(
    ("quantity", "kind", "bound"),
    [
        ("prefill_half", "prefill_fairness", PREFILL_SPREAD / 2),
        ("prefill_full", "prefill_fairness", 0.0),
        ("decode_half", "decode_fairness", SOLO_SPREAD / 2),
        ("decode_full", "decode_fairness", 0.0),
        ("tpot_half", "mean_tpot", (FASTEST + 0.0242852963) / 2),
    ],
)
def test_the_losses_of_figure_8_are_those_of_the_restated_programs(
    rebuilt: Rebuilt, data: dict[str, Any], quantity: str, kind: str, bound: float
) -> None:
    lost = 100 * (1 - promised(data, kind, bound) / OPTIMUM)
    assert rebuilt["figure8"].quantity(quantity).value == pytest.approx(lost, abs=1e-5)


def test_decode_fairness_begins_to_cost_where_it_does_in_the_restated_program(
    rebuilt: Rebuilt, data: dict[str, Any]
) -> None:
    """At the least spread of an optimum: that of THEORY's vertex 2."""
    least = 8.18817681 - 4.40044004
    free = rebuilt["figure8"].quantity("decode_free").value
    assert free == pytest.approx(100 * least / SOLO_SPREAD, abs=1e-5)
    assert promised(data, "decode_fairness", 1.001 * least) == pytest.approx(OPTIMUM)
    assert promised(data, "decode_fairness", 0.99 * least) < (1 - 1e-4) * OPTIMUM


def test_the_ends_of_the_price_of_time_per_token_are_those_of_closed_forms(
    rebuilt: Rebuilt, data: dict[str, Any]
) -> None:
    """At 1/gamma all of the few prefills are of class 0, which earns w mu_p a GPU (11.1)."""
    prefills_a_second = 16 / (15 * (MIXED - FASTEST))
    tight = rebuilt["figure8"].quantity("tpot_price_tight").value
    assert tight == pytest.approx(5898.853891 * prefills_a_second / 1000, rel=1e-6)
    loosest, step = 0.0242852963, 1e-6
    near = [promised(data, "mean_tpot", loosest - k * step) for k in (2, 1)]
    loose = rebuilt["figure8"].quantity("tpot_price_loose").value
    assert loose == pytest.approx((near[1] - near[0]) / step / 1000, rel=1e-3)


def slots(data: dict[str, Any], value: float) -> None:
    data["gpu"]["batch_slots"] = int(value)


def alpha(data: dict[str, Any], value: float) -> None:
    data["gpu"]["iteration_time"]["base"] = value


def beta(data: dict[str, Any], value: float) -> None:
    data["gpu"]["iteration_time"]["per_chunk_token"] = value


def gamma(data: dict[str, Any], value: float) -> None:
    data["gpu"]["iteration_time"]["decode_only"] = 1 / value


@pytest.mark.parametrize(("place", "change"), [*enumerate((slots, alpha, beta, gamma))])
def test_the_curves_of_figure_9_are_those_of_the_restated_program(
    rebuilt: Rebuilt,
    data: dict[str, Any],
    place: int,
    change: Callable[[dict[str, Any], float], None],
) -> None:
    panel = rebuilt["figure9"].panels[place]
    assert isinstance(panel, Lines)
    revenue, capacity, _ = panel.series
    assert list(revenue.x) == sorted(revenue.x)
    at_base = 0.0242852963
    for at in (0, len(revenue.x) // 3, len(revenue.x) - 1):
        moved = copy.deepcopy(data)
        change(moved, revenue.x[at])
        found = linprog_oracle.bundled(moved)
        assert revenue.y[at] == pytest.approx(100 * found.value / OPTIMUM, rel=1e-7)
        law, many = moved["gpu"]["iteration_time"], moved["gpu"]["batch_slots"]
        tau, solo = law["base"] + law["per_chunk_token"] * 256, law["decode_only"]
        share = float(found.prefill.sum())
        time = (tau * (many - 1) * share + solo * many * (1 - share)) / (many - share)
        assert capacity.y[at] == pytest.approx(100 * time / at_base, rel=1e-6)


def test_slots_and_beta_are_compared_where_both_are_on_the_map() -> None:
    """Planted: revenue is the root of the slots over beta, so each octave gains as it must."""
    many = 2.0 ** (np.arange(11) / figure10.SLOTS_OCTAVE)
    beta = 2.0 ** (np.arange(25) / figure10.BETA_OCTAVE)
    more, faster = figure10.gains(many**0.5 / beta[:, None])
    assert more.shape == faster.shape == (21, 9)
    assert more == pytest.approx(100 * (2**0.5 - 1))
    assert faster == pytest.approx(100.0)


def earned(data: dict[str, Any], scheme: str, part: float, total: float) -> float:
    """Return the restated optimum where a part of the sum of the prices is on prompt tokens."""
    moved = copy.deepcopy(data)
    moved["prices"] |= {"prompt_token": part * total, "output_token": (1 - part) * total}
    solve = {"bundled": linprog_oracle.bundled, "separate": linprog_oracle.separate}[scheme]
    return solve(moved).value


def test_revenue_along_equal_sums_is_that_of_the_restated_program(
    rebuilt: Rebuilt, data: dict[str, Any]
) -> None:
    panel = rebuilt["figure10"].panels[-1]
    assert isinstance(panel, Lines)
    for line, total in zip(panel.series, figure10.TOTALS, strict=True):
        for at in (0, 67, 134, 200):
            found = earned(data, "bundled", line.x[at] / 100, total)
            assert line.y[at] == pytest.approx(found, rel=1e-7)


@pytest.mark.parametrize("scheme", ["bundled", "separate"])
def test_the_best_prices_are_at_the_end_where_the_restated_program_has_them(
    rebuilt: Rebuilt, data: dict[str, Any], scheme: str
) -> None:
    """Between the ends the best of a convex function is next to one of them."""
    output, near_output, near_prompt, prompt = (
        earned(data, scheme, part, 0.3) for part in (0.0, 1 / 200, 199 / 200, 1.0)
    )
    gain = 100 * (max(near_output, near_prompt) / max(output, prompt) - 1)
    found = rebuilt["figure10"]
    assert found.quantity(f"{scheme}_interior").value == pytest.approx(gain, abs=1e-6)
    assert found.quantity(f"{scheme}_share").value == 100.0 * (prompt > output)
    assert gain < 0


def test_the_claim_of_one_best_price_ratio_is_not_confirmed(rebuilt: Rebuilt) -> None:
    """10.1(k): convex along c_p + c_d = k, so that an end is best; whatever k, trivially."""
    found = rebuilt["figure10"]
    assert claim(found, "one-best-price-ratio").verdict == "not confirmed"
    assert claim(found, "ratio-does-not-depend-on-the-sum").verdict == "confirmed"
    assert found.verdict == "partly"


def test_a_planted_ratio_between_the_ends_is_found() -> None:
    prompt = np.linspace(0.0, 0.3, 201)
    segment = PriceSegment(
        total=0.3,
        prompt_token=tuple(prompt.tolist()),
        revenue_rate=tuple((100 - (prompt - 0.09) ** 2 * 1e3).tolist()),
        largest_dent=0.0,
        best_at="all on output tokens",
        interior_best=True,
    )
    assert figure10.best_share(segment) == pytest.approx(30.0)
    assert figure10.interior_gain(segment) == pytest.approx(100 * (100 / 91.9 - 1))


def test_decode_fairness_is_not_flat_away_from_its_flat_part(rebuilt: Rebuilt) -> None:
    found = rebuilt["figure8"]
    flat = "decode-fairness-is-nearly-flat"
    assert claim(found, f"{flat}-near-the-optimum").verdict == "confirmed"
    assert claim(found, f"{flat}-throughout").verdict == "not confirmed"
